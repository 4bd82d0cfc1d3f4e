"""Retention: how long recordings are kept, a preview of every change, holds, and the runs that delete."""
