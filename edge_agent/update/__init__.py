"""How a box gets a newer version of itself, and goes back to the old one where that is not heard of.

Two halves that trust each other in nothing. The agent (`watch`) finds a signed `release`, downloads it, and asks for it
when no class is near (`quiet`). A root-owned program (`take`) verifies all of it again, and `install` changes the package,
waits for the first heartbeat that got through, and takes the change back where there is none. What both sides read and
write of each other's folders stands in `handover`. `install`, and what it imports, need Python's own library alone: they
are copied aside before the package changes under them.
"""
