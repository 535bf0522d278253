"use strict";

// A slider between two pictures: the range input does all the work, this only moves the edge.
for (const stage of document.querySelectorAll(".stage")) {
  const range = stage.querySelector("input");
  if (!range) continue;
  const move = () => {
    stage.style.setProperty("--at", range.value + "%");
    range.setAttribute("aria-valuetext", `${range.value} percent source`);
  };
  range.addEventListener("input", () => { stage.style.animation = "none"; move(); });
  range.setAttribute("aria-valuetext", `${range.value} percent source`);
  if (range.value !== "50") move(); // a browser that comes back to the page remembers
}

// Two players in step: what is done to one happens to the other.
function player(box) {
  const source = box.querySelector(".source"), result = box.querySelector(".result");
  const toggle = box.querySelector(".toggle"), seek = box.querySelector(".seek"), output = box.querySelector("output");
  const number = Number(box.dataset.first), offset = Number(box.dataset.offset);
  const rate = Number(box.dataset.rate) || 25;
  const times = box.dataset.times ? box.dataset.times.split(" ").map(Number) : null;
  const film = box.closest(".film");
  const shift = (video) => (video === source ? offset : 0);
  const time = (video) => video.currentTime - shift(video); // of the result
  const frames = () => (times ? times.length : Math.max(1, Math.round((result.duration || 0) * rate)));
  const begin = (frame) => (times ? times[frame] : frame / rate);
  const frameAt = (t) => {
    if (!times) return Math.min(frames() - 1, Math.max(0, Math.floor(t * rate + 1e-3)));
    let low = 0, high = times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (times[middle] <= t + 1e-3) low = middle; else high = middle - 1;
    }
    return low;
  };
  const end = () => (times ? times[times.length - 1] + 1 / rate : result.duration || 0);
  let leader = result, isUsed = false;
  // Until the files are read: the first pictures of the strip, which are in the page anyway.
  const [first, painted] = film.querySelectorAll(".strip .cell:first-child img");
  if (painted) { source.poster = first.src; result.poster = painted.src; }

  const align = (video, slack) => {
    const other = video === source ? result : source;
    const wanted = time(video) + shift(other);
    if (Math.abs(other.currentTime - wanted) > slack) other.currentTime = wanted;
  };
  const show = () => {
    const frame = frameAt(time(leader));
    output.textContent = `frame ${number + frame}`;
    seek.max = Math.max(1, frames() - 1);
    seek.value = frame;
    seek.setAttribute("aria-valuetext", `frame ${number + frame}, the ${frame + 1}. of ${frames()}`);
    toggle.textContent = leader.paused ? "Play" : "Pause";
    for (const svg of film.querySelectorAll(".chart svg")) {
      const d = svg.dataset, first = Number(d.first), last = Number(d.last), left = Number(d.left);
      const x = left + ((Number(d.right) - left) * frame) / Math.max(1, last - first);
      const cursor = svg.querySelector(".cursor");
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      cursor.classList.toggle("shown", isUsed);
    }
  };
  const go = (frame) => { // into the middle of a frame, where rounding cannot reach its neighbors
    const at = Math.min(frames() - 1, Math.max(0, frame));
    const next = at + 1 < frames() ? begin(at + 1) : begin(at) + 1 / rate;
    const t = (begin(at) + next) / 2;
    isUsed = true;
    source.currentTime = t + offset;
    result.currentTime = t;
    output.textContent = `frame ${number + at}`;
  };
  const step = (by) => {
    leader.pause();
    go(frameAt(time(leader)) + by);
  };
  const play = () => (leader.paused ? leader.play() : leader.pause());

  for (const video of [source, result]) {
    const other = video === source ? result : source;
    video.addEventListener("play", () => {
      isUsed = true;
      if (other.paused) { leader = video; align(video, 0.5 / rate); other.play().catch(() => {}); }
      requestAnimationFrame(keep);
      show();
    });
    video.addEventListener("pause", () => {
      if (!other.paused) other.pause();
      if (video === leader) align(video, 0.01 / rate);
      show();
    });
    video.addEventListener("seeked", () => {
      if (other.seeking) return;
      const slack = 0.5 / rate;
      if (Math.abs(time(video) - time(other)) > slack) { leader = video; align(video, slack); }
      show();
    });
    video.addEventListener("ratechange", () => {
      if (video === leader && other.playbackRate !== video.playbackRate) other.playbackRate = video.playbackRate;
    });
    video.addEventListener("loadedmetadata", () => {
      if (video === source && offset && video.currentTime < offset) video.currentTime = offset + 0.5 / rate;
      show();
    });
    video.addEventListener("error", () => {
      box.hidden = true;
      box.nextElementSibling.hidden = false;
    });
    video.addEventListener("click", play);
  }
  // Two decoders drift apart: the follower goes a little faster or slower, and jumps where it is far off.
  function keep() {
    if (leader.paused) { show(); return; }
    const follower = leader === source ? result : source;
    const behind = time(leader) - time(follower);
    if (Math.abs(behind) > 2 / rate) align(leader, 0);
    follower.playbackRate = leader.playbackRate * (1 + Math.max(-0.1, Math.min(0.1, behind * 2)));
    if (time(leader) > end() - 1e-3 && leader === source) leader.pause();
    show();
    requestAnimationFrame(keep);
  }

  toggle.addEventListener("click", play);
  box.querySelector(".back").addEventListener("click", () => step(-1));
  box.querySelector(".on").addEventListener("click", () => step(1));
  seek.addEventListener("input", () => go(Number(seek.value)));
  film.querySelectorAll(".chart svg").forEach((svg) => {
    svg.closest(".chart").classList.add("seekable");
    svg.addEventListener("click", (event) => {
      const d = svg.dataset, edge = svg.getBoundingClientRect();
      const x = ((event.clientX - edge.left) * svg.viewBox.baseVal.width) / edge.width;
      const share = (x - Number(d.left)) / (Number(d.right) - Number(d.left));
      if (!box.hidden) { leader.pause(); go(Math.round(share * (Number(d.last) - Number(d.first)))); }
    });
  });
  return { box, step, play };
}

const players = [...document.querySelectorAll(".player")].map(player);
let current = players[0];
for (const one of players) {
  one.box.addEventListener("focusin", () => { current = one; });
  one.box.addEventListener("pointerdown", () => { current = one; });
}
document.addEventListener("keydown", (event) => {
  if (!current || current.box.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "," || event.key === ".") {
    current.step(event.key === "," ? -1 : 1);
    event.preventDefault();
  } else if (event.key === " " && event.target.tagName === "VIDEO") {
    current.play();
    event.preventDefault();
  }
});
