"""What is made of the audit log: signed checkpoints, search in words, exports, reports for families, alerts, assessment.

`checkpoints` signs the ends of all chains every hour and takes them off this machine; `search` and `sentences` show the
log to people; `sightings` says who saw a child; `watch` notices reads that are out of the ordinary; `assessment` writes
down how a studio handles footage of children, from its real settings. The chain itself is `audit`'s, below: this app
may ask recordings and studios, the chain knows neither.
"""
