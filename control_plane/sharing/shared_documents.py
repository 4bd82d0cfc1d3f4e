"""The timeline and playlists of what links show, rendered once per link and version of its class."""

from control_plane.recordings.part import cut_timeline
from control_plane.recordings.playback.part_documents import PartDocuments, Shown, part_cache, render_part
from control_plane.recordings.playback.playback_cache import class_version
from control_plane.recordings.selectors import class_timeline
from control_plane.sharing.openings import Playing

_cache = part_cache()


def shared_documents(playing: Playing) -> PartDocuments:
    """Returns the documents of a link for the current version of its class.

    Raises:
        Busy: they, or others of the studio, are being rendered.
    """
    link = playing.link
    key = (link.id, link.title, playing.part, class_version(playing.class_session))
    return _cache.get(key, lambda: _render(playing), owner=link.studio_id)


def _render(playing: Playing) -> PartDocuments:
    link, class_session = playing.link, playing.class_session
    timeline = cut_timeline(class_timeline(class_session), playing.part)
    return render_part(class_session, timeline, Shown(f"/s/{link.public_id}", link.public_id, link.title))
