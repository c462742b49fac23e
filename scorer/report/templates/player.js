"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);
document.documentElement.classList.add("live");

const clock = (seconds) => {
  const tenths = Math.round(10 * seconds);
  return Math.floor(tenths / 600) + ":" + String(Math.floor(tenths / 10) % 60).padStart(2, "0") + "." + tenths % 10;
};

// The handle between two pictures: the whole stage takes the pointer, since a range's own thumb is hard to hit on some phones.
function wipe(stage) {
  const range = one(".cut", stage);
  const cut = (percent) => {
    const kept = Math.min(100, Math.max(0, percent));
    range.value = Math.round(kept);
    range.setAttribute("aria-valuetext", range.value + "%");
    stage.style.setProperty("--cut", kept + "%");
  };
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    cut(100 * (event.clientX - box.left) / box.width);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    range.focus({ preventScroll: true });
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });
  range.addEventListener("input", () => cut(range.valueAsNumber));
  cut(50);
}

// A file beside this page, whatever its name is made of: it never leads to another folder or host.
const beside = (name) => "./" + encodeURIComponent(name);

// The first of `sources` that this browser can play, as a video; null where there is none.
function playable(sources, fits = () => true) {
  return sources.reduce(async (found, source) => await found || await new Promise((done) => {
    const video = document.createElement("video");
    video.playsInline = true;
    video.preload = "auto";
    video.addEventListener("loadedmetadata", () => done(video.videoWidth && fits(video) ? video : null), { once: true });
    video.addEventListener("error", () => done(null), { once: true });
    video.src = source;
  }), Promise.resolve(null));
}

// Puts two videos into a player's stage, one on each side of its handle, and has them play as one.
function both(player, first, second, words, rate, late = 0) {
  const stage = one(".stage", player), film = document.createElement("div");
  all(".film", stage).forEach((each) => each.remove());
  film.className = "film";
  [["before", first], ["after", second]].forEach(([side, video], index) => {
    const half = document.createElement("div"), label = document.createElement("b");
    half.className = side;
    label.textContent = words[index];
    half.append(video, label);
    film.append(half);
  });
  stage.prepend(film);
  stage.classList.add("moving");
  return inStep(player, first, second, rate, late);
}

// Plays both videos of a player as one, with its controls. The second has the sound and leads; it begins `late` seconds into the first.
function inStep(player, first, second, rate, late) {
  if (player.doing) player.doing.abort();
  player.doing = new AbortController();
  const { signal } = player.doing;
  const on = (element, kind, action) => element.addEventListener(kind, action, { signal });
  const controls = one(".controls", player), time = one(".time", player), play = one(".play", player), mute = one(".mute", player);
  first.muted = true;
  controls.hidden = false;
  time.max = second.duration;

  const show = () => {
    time.value = second.currentTime;
    time.setAttribute("aria-valuetext", clock(second.currentTime) + " of " + clock(second.duration));
    one(".clock", player).textContent = clock(second.currentTime) + " / " + clock(second.duration);
    player.classList.toggle("playing", !second.paused);
    play.setAttribute("aria-label", second.paused ? "Play" : "Pause");
    player.dispatchEvent(new CustomEvent("time", { detail: second.currentTime }));
  };
  const meet = () => { first.currentTime = Math.min(second.currentTime + late, first.duration || 0); };
  // Little is made good by playing a little faster or slower, which no eye sees; much by a jump.
  const follow = () => {
    if (second.paused) return;
    const ahead = first.currentTime - late - second.currentTime;
    if (Math.abs(ahead) > 0.25 && !first.ended) meet();
    first.playbackRate = Math.abs(ahead) < 0.004 ? 1 : Math.min(1.2, Math.max(0.8, 1 - 2 * ahead));
    show();
    requestAnimationFrame(follow);
  };
  // Into the middle of a frame: at its edge, rounding would choose which of two is shown, for each video anew.
  const seek = (seconds, frames = 0) => {
    const middle = (Math.floor(seconds * rate + 0.01) + frames + 0.5) / rate;
    second.currentTime = Math.min(Math.max(middle, 0), Math.max(second.duration - 0.25 / rate, 0));
  };
  const step = (frames) => {
    second.pause();
    seek(second.currentTime, frames);
  };
  const toggle = () => { if (second.paused) second.play(); else second.pause(); };
  const silence = () => { second.muted = !second.muted; };
  const fill = () => { if (document.fullscreenElement) document.exitFullscreen(); else player.requestFullscreen(); };

  on(second, "play", () => { first.play().catch(() => {}); requestAnimationFrame(follow); show(); });
  on(second, "pause", () => {
    first.pause();
    if (!second.ended) seek(second.currentTime);
    show();
  });
  on(second, "seeking", () => { meet(); show(); });
  on(second, "seeked", show);
  on(second, "volumechange", () => mute.setAttribute("aria-pressed", second.muted));
  on(time, "input", () => seek(time.valueAsNumber));
  on(play, "click", toggle);
  on(mute, "click", silence);
  on(one(".back", player), "click", () => step(-1));
  on(one(".forth", player), "click", () => step(1));
  on(one(".full", player), "click", fill);
  const keys = { k: toggle, ",": () => step(-1), ".": () => step(1), m: silence, f: fill };
  on(player, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
  seek(0);
  show();
  return seek;
}
