"""The script of a report's page: what a figure's marks say, and the networks' pictures, where one points at them.

It reads ``figures_svg.figure_data`` from the page, and writes texts only as texts. Without it the page is complete but
for these. Pictures are shown as images, in which nothing is executed.
"""

from __future__ import annotations

SCRIPT = r"""
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const tip = document.getElementById('tip');
const NEAR = 26;
let ring = null;

function hide() {
  tip.hidden = true;
  if (ring) { ring.remove(); ring = null; }
  for (const hot of document.querySelectorAll('.hot')) hot.remove();
}

function shown(value, axis) {
  const [, , , percent] = axis;
  const scaled = percent ? 100 * value : value;
  const text = Number.isInteger(scaled) ? String(scaled) : String(Number(scaled.toPrecision(4)));
  return percent ? text + ' %' : text;
}

function places(svg, panel) {
  const [left, top, right, bottom] = svg.dataset.box.split(' ').map(Number);
  const across = v => left + (v - panel.x[1]) / (panel.x[2] - panel.x[1]) * (right - left);
  const down = v => bottom - (v - panel.y[1]) / (panel.y[2] - panel.y[1]) * (bottom - top);
  const found = [];
  for (const series of panel.series)
    for (let i = 0; i < series.x.length; i++) {
      const x = across(series.x[i]), y = down(series.y[i]);
      if (x >= left - 1 && x <= right + 1 && y >= top - 1 && y <= bottom + 1) found.push({series, i, x, y});
    }
  return found;
}

function lines(found, panel, figure) {
  const {series, i} = found;
  if (series.names) {
    const name = series.names[i];
    const note = figure.notes[name];
    return [name, note || panel.y[0] + ': ' + shown(series.y[i], panel.y) + '\n'
      + panel.x[0] + ': ' + shown(series.x[i], panel.x)];
  }
  const at = series.x[i], rows = [];
  for (const other of panel.series) {
    if (!other.named || !other.x.length) continue;
    let k = 0;
    for (let j = 1; j < other.x.length; j++) if (Math.abs(other.x[j] - at) <= Math.abs(other.x[k] - at)) k = j;
    rows.push((other.label ? other.label + ': ' : '') + shown(other.y[k], panel.y));
  }
  return [series.named + ' ' + shown(at, panel.x), rows.join('\n')];
}

function show(svg, found, panel, figure) {
  const [name, text] = lines(found, panel, figure);
  tip.replaceChildren();
  const head = document.createElement('b');
  head.textContent = name + (found.series.names && found.series.label ? ', ' + found.series.label : '');
  tip.append(head, text);
  const picture = data.drawn[data.pictures[name]];
  if (found.series.names && picture && !found.series.plain) {
    const image = new Image();
    image.alt = 'picture of the network of ' + name;
    image.className = 'net';
    const [, width, height] = picture.match(/^<svg [^>]*?width="(\d+)" height="(\d+)"/) || [0, 900, 500];
    image.width = width; image.height = height;
    image.src = 'data:image/svg+xml,' + encodeURIComponent(picture);
    tip.append(image);
  }
  if (ring) ring.remove();
  ring = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
  ring.setAttribute('class', 'ring');
  ring.setAttribute('cx', found.x); ring.setAttribute('cy', found.y); ring.setAttribute('r', 9);
  svg.append(ring);
  tip.hidden = false;
  const at = ring.getBoundingClientRect(), box = tip.getBoundingClientRect(), gap = 8;
  let x = at.right + gap, y = at.top + at.height / 2 - box.height / 2;
  if (x + box.width > innerWidth - gap) x = at.left - gap - box.width;
  if (x < gap) {
    x = Math.max(gap, Math.min(at.left, innerWidth - gap - box.width));
    y = at.top > innerHeight / 2 ? at.top - gap - box.height : at.bottom + gap;
  }
  tip.style.left = x + 'px';
  tip.style.top = Math.max(gap, Math.min(y, innerHeight - gap - box.height)) + 'px';
}

function followed(svg, point) {
  svg.addEventListener('pointermove', point);
  svg.addEventListener('pointerdown', point);
  svg.addEventListener('pointerleave', event => { if (event.pointerType === 'mouse') hide(); });
  svg.addEventListener('blur', hide);
}

for (const svg of document.querySelectorAll('svg[data-figure]')) {
  const figure = data.figures[svg.dataset.figure];
  const panel = figure.panels[svg.dataset.panel];
  const points = places(svg, panel);
  const marked = points.some(p => p.series.names);
  const stops = points.filter(p => p.series.large || !marked).sort((a, b) => a.x - b.x);
  let stop = -1;
  const point = event => {
    const matrix = svg.getScreenCTM();
    let best = null, least = Infinity;
    for (const p of points) {
      const dx = p.x * matrix.a + matrix.e - event.clientX, dy = p.y * matrix.d + matrix.f - event.clientY;
      let far = p.series.names ? Math.hypot(dx, dy) : Math.abs(dx) + Math.abs(dy) / 1000;
      if (p.series.large) far = Math.max(0, far - 3);
      if (far < least) { least = far; best = p; }
    }
    if (best && (least <= NEAR || !best.series.names)) show(svg, best, panel, figure); else hide();
  };
  followed(svg, point);
  svg.addEventListener('keydown', event => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step || !stops.length) return;
    event.preventDefault();
    stop = (stop + step + stops.length) % stops.length;
    show(svg, stops[stop], panel, figure);
  });
}
for (const image of document.querySelectorAll('.card img.net'))
  image.addEventListener('click', () => image.closest('.card').classList.toggle('large'));
addEventListener('scroll', hide, {passive: true});
addEventListener('keydown', event => { if (event.key === 'Escape') hide(); });
document.addEventListener('pointerdown', event => { if (!event.target.closest('svg.plot')) hide(); });
"""
