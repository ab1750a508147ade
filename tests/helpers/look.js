// What a reader sees of a page now: colours of text, text upon text, and what does not fit.
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const hex = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return "#" + [...canvas.getImageData(0, 0, 1, 1).data].map((each) => each.toString(16).padStart(2, "0")).join("");
  };
  const styles = (element) => getComputedStyle(element);
  const ground = (element) => {
    while (element && styles(element).backgroundColor === "rgba(0, 0, 0, 0)") element = element.parentElement;
    return element ? styles(element).backgroundColor : "transparent";
  };
  const colours = {}, boxes = [], torn = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement, range = document.createRange();
    if (!node.data.trim() || !element.checkVisibility()) continue;
    range.selectNodeContents(node);
    const said = node.data.trim().slice(0, 40), style = styles(element);
    colours[JSON.stringify([element instanceof SVGElement ? style.fill : style.color, ground(element)])] = said;
    for (const box of range.getClientRects()) if (box.width > 1) boxes.push([box, said]);
    for (const word of node.data.matchAll(/(?<!\S)[\w.,+]{1,10}(?!\S)/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) torn.push(word[0]);
    }
  }
  boxes.sort(([one], [other]) => one.top - other.top);
  const overlaps = [];
  boxes.forEach(([upper, said], place) => {
    for (const [lower, other] of boxes.slice(place + 1)) {
      if (lower.top > upper.bottom - 4) break;
      if (Math.min(upper.right, lower.right) - Math.max(upper.left, lower.left) > 1) overlaps.push([said, other]);
    }
  });
  const root = document.documentElement;
  const wide = [...document.body.querySelectorAll("*")].filter(
    (each) => each.scrollWidth > each.clientWidth + 1 && !["visible", "clip"].includes(styles(each).overflowX));
  return {
    texts: boxes.length,
    colours: Object.entries(colours).map(([pair, said]) => [...JSON.parse(pair).map(hex), said]),
    page: hex(ground(document.body)),
    overlaps,
    torn,
    width: root.scrollWidth,
    room: root.clientWidth,
    scrolled: wide.map((each) => each.className || each.localName),
    closed: document.querySelectorAll("details:not([open])").length,
  };
})();
