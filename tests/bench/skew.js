// Evaluated in the replay page: whenever the first view shows a new picture, notes which frame of the demo's loop every
// view shows at that instant, read from the squares burnt into the pictures (geometry: tools/demo_scene/frame_code.py), and
// how far apart the page says that they are.
(geometry) => {
  const { width, height, left, top, cell, tall, cells } = geometry;
  const videos = [...document.querySelectorAll("video")];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [cells * 4, videos.length];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const notes = [];
  const claims = [];
  const frameIn = (pixels, row) => {
    const level = (index) => pixels[(row * cells * 4 + index * 4 + 2) * 4];
    const middle = (level(0) + level(1)) / 2;
    let value = 0;
    for (let bit = 0; bit < 16; bit += 1) value = (value << 1) | (level(bit + 2) > middle ? 1 : 0);
    return value & 0xfff;
  };
  const note = () => {
    videos.forEach((video, row) => {
      const across = video.videoWidth / width;
      const down = video.videoHeight / height;
      context.drawImage(video, left * across, (top + tall / 2) * down, cells * cell * across, down, 0, row, cells * 4, 1);
    });
    const pixels = context.getImageData(0, 0, cells * 4, videos.length).data;
    notes.push(videos.map((_, row) => frameIn(pixels, row)));
    const claim = window.threedance?.player?.ensemble.skewMs ?? null;
    if (claim !== null) claims.push(claim);
  };
  const shown = () => {
    note();
    videos[0].requestVideoFrameCallback(shown);
  };
  videos[0].requestVideoFrameCallback(shown);
  window.measured = { notes, claims, note };
}
