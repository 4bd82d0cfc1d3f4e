"""The rendered cameras of the demo: a dancer in a studio, seen by three wall cameras, and a server that plays them live.

Flow: `choreography` -> `motion` (joints) -> `body_mesh` -> `rasterizer`, over a ray-traced `backdrop`, composed by
`scene`; `render` draws and encodes one loop for each camera (cached); `camera_server` serves the loops as endless live
streams that are locked to UTC.

Imports nothing of the product but `shared.kernel`.
"""
