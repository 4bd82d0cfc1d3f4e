"""Uses of the audit log: signed checkpoints, search, exports, access reports for families, alerts, assessment.

`checkpointing` signs the heads of all chains every hour and copies them off this machine; `search` shows the log to
people; `footage_access_report` lists who saw a child; `anomaly_rules` finds unusual reads; `assessment` documents how a
studio handles footage of children, from its real settings. The chain itself belongs to `audit`, which knows neither
recordings nor studios; this app may read both.
"""
