// Evaluated in the replay page: notes for every picture shown, in every view, when it is shown and which frame of the
// demo's loop it is, read from the squares burnt into it. Geometry of the squares: deploy/demo/framecode.py.
(geometry) => {
  const { width, height, left, top, cell, tall, cells } = geometry;
  const notes = [];
  const firsts = new Map();
  const read = (video, context) => {
    const across = video.videoWidth / width;
    const down = video.videoHeight / height;
    context.drawImage(video, left * across, (top + tall / 2) * down, cells * cell * across, 2 * down, 0, 0, cells * 4, 2);
    const pixels = context.getImageData(0, 0, cells * 4, 2).data;
    const level = (index) => pixels[(index * 4 + 2) * 4];
    const middle = (level(0) + level(1)) / 2;
    let value = 0;
    for (let bit = 0; bit < 16; bit += 1) value = (value << 1) | (level(bit + 2) > middle ? 1 : 0);
    return value & 0xfff;
  };
  const watch = (video, index) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [cells * 4, 2];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const shown = (now, facts) => {
      if (!firsts.has(index)) firsts.set(index, performance.now());
      notes.push([index, facts.expectedDisplayTime, read(video, context)]);
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
  };
  const videos = [...document.querySelectorAll("video")];
  videos.forEach(watch);
  window.measured = { notes, firsts, count: videos.length };
  return videos.length;
}
