"""Uses of the audit log: signed checkpoints, search, exports, access reports for families, alerts, assessment.

`checkpointing` signs the heads of all chains every hour and copies them off this machine; `search` finds audit events;
`footage_access_report` lists who has seen a dancer; `anomaly_rules` finds unusual reads; `assessment` documents how a
studio handles footage of children, from its actual settings. The chain itself belongs to `audit`, which knows neither
recordings nor studios; this app may read both.
"""
