"""The portal's area of the audit log, alerts and the privacy assessment."""
