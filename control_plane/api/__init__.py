"""The API of a studio, for programs: what its pages do, as JSON under `/api/v1/`, decided by the same `access`."""
