{% include "player.js" %}

// `scorer fetch` calls a report after its result: NAME.mp4 or NAME/ and NAME-report.html.
const ownName = () => {
  try {
    const name = decodeURIComponent(location.pathname.split("/").pop());
    return name.endsWith("-report.html") ? name.slice(0, -"-report.html".length) : "";
  } catch { return ""; }
};

function stills(player) {
  const stage = one(".stage", player), strip = one(".strip", player), pairs = all(".pair", stage), named = one(".named", player);
  wipe(stage);
  const choose = (index) => {
    pairs.forEach((pair, each) => pair.classList.toggle("chosen", each === index));
    all("button", strip).forEach((button, each) => button.setAttribute("aria-pressed", each === index));
    const caption = one("figcaption", pairs[index]).cloneNode(true);
    named.replaceChildren(...caption.childNodes);
    named.hidden = !one("a", named);
  };
  pairs.forEach((pair, index) => {
    const button = document.createElement("button"), label = document.createElement("span"), halves = document.createElement("i");
    button.type = "button";
    for (const image of all("img", pair)) {
      const half = document.createElement("img");
      half.alt = "";
      half.src = image.src;
      halves.append(half);
    }
    label.textContent = one("figcaption", pair).firstChild.textContent.replace(/ · $/, "");
    button.append(halves, label);
    button.addEventListener("click", () => {
      choose(index);
      if (player.seek) player.seek(Number(pair.dataset.at));
    });
    strip.append(button);
  });
  choose(0);
  player.addEventListener("time", (event) => {
    const last = pairs.findLastIndex((pair) => Number(pair.dataset.at) <= event.detail + 0.01);
    choose(Math.max(last, 0));
  });
}

async function videos(player, result) {
  const lost = one(".lost", result), shown = one("video", result), link = one("a", result);
  const seconds = Number(player.dataset.seconds), late = Number(player.dataset.late) || 0;
  const names = JSON.parse(result.dataset.result), ending = names[0].slice(names[0].lastIndexOf("."));
  const own = ownName();
  let second = await playable((own ? [own + ending, ...names] : names).map(beside));
  const poster = one(".after img", player);
  // Sound may be longer than the pictures, in both files.
  const same = (video) => "late" in player.dataset ? video.duration >= late + seconds - 0.5 : [seconds, second.duration].some((each) => Math.abs(video.duration - each) <= Math.max(0.5, 0.02 * each));

  const ready = (video, name) => {
    second = video;
    shown.src = video.src;
    if (poster) shown.poster = poster.src;
    if (name) {
      link.href = video.src;
      link.textContent = name;
    }
    lost.hidden = true;
    result.classList.remove("away");
  };
  const ask = one(".ask", player), told = one("span", ask);
  const tell = (words) => {
    told.textContent = words;
    ask.hidden = !words || !second || !one(".stage", player);
  };
  const beforehand = async () => {
    const [linked, named] = JSON.parse(result.dataset.original).map((name) => new URL(beside(name), location.href).href);
    return await playable([linked], own ? same : undefined) || (named !== second.src && await playable([named], same));
  };
  const pair = async (find, otherwise) => {
    const first = second && one(".stage", player) && await find();
    if (!first) {
      tell(otherwise);
      return null;
    }
    player.seek = both(player, first, second, ["Before", "After"], Number(player.dataset.rate) || 25, late);
    result.classList.add("beside");
    shown.removeAttribute("src");
    all("source", shown).forEach((each) => each.remove());
    shown.load();
    tell("");
    return first;
  };
  const lacking = "The original isn't beside this page, or this browser can't play it. To see both in step, drop it here, or";
  const chosen = async (file) => {
    const first = await pair(() => playable([URL.createObjectURL(file)]), "This browser can't play that file.");
    if (first && !same(first)) tell("This video lasts " + clock(first.duration) + ", the original " + clock(seconds) + ".");
  };

  if (second) ready(second, decodeURIComponent(second.src.split("/").pop()));
  else {
    lost.hidden = false;
    result.classList.add("away");
  }
  await pair(beforehand, lacking);
  one("input", ask).addEventListener("change", (event) => { if (event.target.files[0]) chosen(event.target.files[0]); });
  one("input", lost).addEventListener("change", async (event) => {
    const video = event.target.files[0] && await playable([URL.createObjectURL(event.target.files[0])]);
    if (!video) return;
    ready(video, "");
    await pair(beforehand, lacking);
  });
  player.addEventListener("dragover", (event) => event.preventDefault());
  player.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) chosen(event.dataTransfer.files[0]);
  });
  player.dataset.ready = "";
}

const player = one(".player"), result = one(".result");
if (one(".stage", player)) stills(player);
if (result && result.dataset.result) videos(player, result);
if (result && result.dataset.folder && ownName()) {
  one("a", result).href = beside(ownName()) + "/";
  one("a", result).textContent = ownName() + "/";
  all("a[data-name]").forEach((link) => { link.href = beside(ownName()) + "/" + encodeURIComponent(link.dataset.name); });
}
if (result && result.dataset.photo && ownName()) {
  const name = ownName() + result.dataset.photo.slice(result.dataset.photo.lastIndexOf("."));
  one("a", result).href = beside(name);
  one("a", result).textContent = name;
}

const tip = one(".tip");
function say(event, text) {
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const below = event.clientY < 80;
  tip.style.left = Math.max(8, Math.min(event.clientX - tip.offsetWidth / 2, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = (below ? event.clientY + 20 : event.clientY - tip.offsetHeight - 12) + "px";
}
const count = (number) => number.toLocaleString("en");
function column(plot, box, event) {
  const index = Math.floor(plot.bins.length * (event.clientX - box.left) / box.width);
  if (!(index in plot.bins)) return "";
  const [median, slowest, failed] = plot.bins[index];
  const from = index * plot.width;
  const to = Math.min(from + plot.width, plot.total) - 1;
  const which = to > from ? "frames " + count(from) + " to " + count(to) : "frame " + count(from);
  const times = !slowest ? "" : to > from ? ": median " + count(median) + " ms, slowest " + count(slowest) + " ms" : ": " + count(slowest) + " ms";
  return which + times + (failed ? " · " + count(failed) + " failed" : "");
}
all(".plot").forEach((element) => {
  const plot = JSON.parse(element.dataset.plot);
  element.addEventListener("pointermove", (event) => say(event, column(plot, one("svg", element).getBoundingClientRect(), event)));
  element.addEventListener("pointerleave", (event) => say(event, ""));
});
all(".tasks").forEach((tasks) => {
  tasks.addEventListener("pointermove", (event) => say(event, event.target.dataset.tip));
  tasks.addEventListener("pointerleave", (event) => say(event, ""));
});
