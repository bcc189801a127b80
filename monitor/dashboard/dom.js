// dom.js - elements from values, and a fresh tree laid over the one that is shown.
//
// What comes from traces is hostile. Text becomes text nodes, attributes are set by name, and nothing here or
// elsewhere in the dashboard makes HTML from a string; the page's policy (Trusted Types) forbids it besides.

const PROPERTIES = new Set(["value", "checked", "open", "disabled", "selected"]);
const HANDLERS = ["onclick", "oninput", "onchange", "onsubmit", "onkeydown", "onpointermove", "onpointerleave", "ontoggle"];

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "css") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else if (PROPERTIES.has(name) || name.startsWith("on")) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

// h("p", {class: "quiet"}, "text", node, [more]): null and false children are left out.
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function sameKind(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.dataset?.key ?? "") === (b.dataset?.key ?? "");
}

function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name) && name !== "style" && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.style && old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
  for (const name of HANDLERS) old[name] = fresh[name];
  const isFocused = old === document.activeElement;
  if ((old.nodeName === "INPUT" || old.nodeName === "SELECT") && !isFocused) {
    if (old.value !== fresh.value) old.value = fresh.value;
    if (old.checked !== fresh.checked) old.checked = fresh.checked;
  }
}

// Makes old look like fresh and keeps what the reader did: focus, opened details, typed text, the scroll position.
// Siblings with data-key are found again when they have moved; a chart (data-whole) is replaced when it differs.
export function morph(old, fresh) {
  morphAttributes(old, fresh);
  const keyed = new Map([...old.children].filter((c) => c.dataset?.key).map((c) => [c.dataset.key, c]));
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const moved = wanted.dataset?.key && keyed.get(wanted.dataset.key);
    if (moved && moved !== at) old.insertBefore(moved, at);
    const here = moved || at;
    if (!here || !sameKind(here, wanted)) {
      old.insertBefore(wanted, at);
      continue;
    }
    if (here === at) at = at.nextSibling;
    if (here.nodeType === Node.TEXT_NODE) {
      if (here.data !== wanted.data) here.data = wanted.data;
    } else if (wanted.dataset?.whole !== undefined) {
      if (!here.isEqualNode(wanted)) here.replaceWith(wanted);
    } else {
      morph(here, wanted);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}
