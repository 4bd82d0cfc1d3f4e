"""The REST API of a studio under `/api/v1/`: the operations of the portal as JSON, with the same access checks."""
