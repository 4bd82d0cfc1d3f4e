"""The portal's area of people, invitations and leaving a studio."""
