{% include "player.js" %}

const table = one(".jobs"), body = one("tbody", table), boxes = all("[data-film]", table), section = one(".compare");
const known = new Map(boxes.map((box) => [box, JSON.parse(box.dataset.film)]));

const value = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.sort === undefined ? cell.innerText : Number(cell.dataset.sort) || cell.dataset.sort;
};
const compareValues = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
all("[data-sorts]", table).forEach((head) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    all("[aria-sort]", table).forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [value(row, head.cellIndex), row]).sort(([a], [b]) => compareValues(a, b) * (down ? -1 : 1));
    body.append(...rows.map(([, row]) => row));
  });
});

async function show(chosen) {
  const [first, second] = await Promise.all(chosen.map((film) => playable(["./" + film.source])));
  section.replaceChildren(one("template").content.cloneNode(true));
  section.hidden = false;
  if (!first || !second) {
    section.textContent = "This browser can't play " + (first ? chosen[1].name : chosen[0].name) + ".";
    return;
  }
  const player = one(".player", section);
  player.style.setProperty("--ratio", chosen[1].ratio);
  both(player, first, second, chosen.map((film) => film.name), chosen[1].rate || 25);
  wipe(one(".stage", player));
  section.scrollIntoView({ block: "nearest" });
  section.dataset.ready = "";
}

boxes.forEach((box) => box.addEventListener("change", () => {
  const chosen = boxes.filter((each) => each.checked);
  const input = chosen.length ? known.get(chosen[0]).input : null;
  boxes.forEach((each) => { each.disabled = !each.checked && (chosen.length === 2 || (input !== null && known.get(each).input !== input)); });
  delete section.dataset.ready;
  section.hidden = true;
  section.replaceChildren();
  one(".pick").textContent = chosen.length === 2 ? "The first and the second result, in step." :
    chosen.length ? "Choose another result of the same input." : "Choose two results of one input to compare them.";
  if (chosen.length === 2) show(chosen.map((each) => known.get(each)));
}));
