"""The second half of a report's script: ranges of objectives, in which a front's members stay, and others fade.

A range is kept as two of the members' own values, so that a step of the keyboard lets the next member in or out. It is
drawn along an axis with a pointer, or set with the two inputs of its objective. Pointing at a member, or walking with
the arrow keys, lifts it out in both plots. ``page_script`` has what shows a member's texts.
"""

from __future__ import annotations

MEMBERS_SCRIPT = r"""
const MOST_NAMED = 12;
const whole = Object.values(data.figures).find(figure => figure.members);

// What one drawing shows of a member: its paths, the points at which one may point at it, and where its ranges are.
function layoutOf(svg, objectives) {
  const numbers = text => text.split(' ').map(Number);
  const axes = svg.dataset.axes && numbers(svg.dataset.axes);
  if (axes) {
    const [worst, best] = numbers(svg.dataset.ends), upright = Boolean(svg.dataset.upright);
    const along = (m, place) => worst + (objectives[m].more ? place : 1 - place) * (best - worst);
    const placeAt = (m, at) => {
      const good = (at - worst) / (best - worst);
      return objectives[m].more ? good : 1 - good;
    };
    const points = i => axes.map((axis, m) => {
      const at = along(m, objectives[m].places[i]);
      return upright ? [axis, at] : [at, axis];
    });
    return {svg, axes, upright, along, placeAt, points, lines: true,
      paths: [i => 'M' + points(i).map(p => p[0].toFixed(1) + ' ' + p[1].toFixed(1)).join('L')]};
  }
  const inset = Number(svg.dataset.inset);
  const cells = svg.dataset.cells.split(';').map(numbers);
  const at = ([row, column, left, top, width, height], i) => [
    left + inset + objectives[column].places[i] * (width - 2 * inset),
    top + height - inset - objectives[row].places[i] * (height - 2 * inset)];
  const dot = (cell, i) => { const [x, y] = at(cell, i); return 'M' + x.toFixed(1) + ' ' + y.toFixed(1) + 'h0'; };
  return {svg, points: i => cells.map(cell => at(cell, i)), paths: cells.map(cell => i => dot(cell, i))};
}

// The point of a line through points, or of the points themselves, that is nearest to a place.
function nearestOf(points, x, y, lines) {
  let best = [Infinity, 0, 0];
  for (let k = 0; k < points.length; k++) {
    let [px, py] = points[k];
    if (lines && k + 1 < points.length) {
      const dx = points[k + 1][0] - px, dy = points[k + 1][1] - py;
      const t = Math.max(0, Math.min(1, ((x - px) * dx + (y - py) * dy) / (dx * dx + dy * dy)));
      px += t * dx; py += t * dy;
    }
    const far = Math.hypot(px - x, py - y);
    if (far < best[0]) best = [far, px, py];
  }
  return best;
}

function brushed(figure) {
  const {names, what, picks, objectives} = figure.members;
  const layouts = [...document.querySelectorAll('svg.members')].map(svg => layoutOf(svg, objectives));
  const controls = document.querySelector('.ranges');
  const told = controls.querySelector('[role=status]'), reset = controls.querySelector('button');
  const stops = objectives.map(each => [...new Set(each.places)].sort((a, b) => a - b));
  const low = stops.map(() => 0), high = stops.map(each => each.length - 1);
  const limited = m => low[m] > 0 || high[m] < stops[m].length - 1;
  const textAt = (m, k) => objectives[m].texts[objectives[m].places.indexOf(stops[m][k])];
  const series = {names, label: '', plain: true};  // a picture would cover the lines
  let within = names.map(() => true);

  function update() {
    within = names.map((_, i) => objectives.every(
      (each, m) => each.places[i] >= stops[m][low[m]] && each.places[i] <= stops[m][high[m]]));
    const others = names.map((_, i) => i).filter(i => !(i in picks));
    for (const {svg, paths, axes, upright, along} of layouts) {
      const away = svg.querySelectorAll('.away'), shownPaths = svg.querySelectorAll('.others');
      paths.forEach((path, k) => {
        away[k].setAttribute('d', others.filter(i => !within[i]).map(path).join(''));
        shownPaths[k].setAttribute('d', others.filter(i => within[i]).map(path).join(''));
      });
      for (const pick of svg.querySelectorAll('.pick')) pick.classList.toggle('out', !within[pick.dataset.member]);
      for (const range of svg.querySelectorAll('.range')) {
        const m = Number(range.dataset.objective);
        const ends = [along(m, stops[m][low[m]]), along(m, stops[m][high[m]])];
        const from = Math.min(...ends) - 5, size = limited(m) ? Math.abs(ends[1] - ends[0]) + 10 : 0;
        const box = upright ? [axes[m] - 9, from, 18, size] : [from, axes[m] - 9, size, 18];
        ['x', 'y', 'width', 'height'].forEach((key, k) => range.setAttribute(key, box[k].toFixed(1)));
      }
    }
    for (const input of controls.querySelectorAll('input')) {
      const m = input.dataset.objective, k = input.dataset.end === 'low' ? low[m] : high[m];
      input.max = stops[m].length - 1;
      input.value = k;
      input.setAttribute('aria-valuetext', textAt(m, k));
      input.nextElementSibling.textContent = textAt(m, k);
    }
    const left = names.map((_, i) => i).filter(i => within[i]);
    const some = left.length < names.length && left.length && left.length <= MOST_NAMED;
    told.textContent = left.length + ' of ' + names.length + ' ' + what
      + (some ? ': ' + left.map(i => picks[i] || names[i]).join('; ') : '');
  }

  function free(m) { low[m] = 0; high[m] = stops[m].length - 1; }

  function choose(m, one, other) {
    const least = Math.min(one, other), most = Math.max(one, other), middle = (one + other) / 2;
    const chosen = stops[m].map((_, k) => k).filter(k => stops[m][k] >= least && stops[m][k] <= most);
    if (!chosen.length) {
      const far = stops[m].map(stop => Math.abs(stop - middle));
      chosen.push(far.indexOf(Math.min(...far)));
    }
    low[m] = chosen[0]; high[m] = chosen[chosen.length - 1];
  }

  function lift(layout, i, x, y) {
    hide();
    for (const each of layouts) {
      const hot = document.createElementNS('http://www.w3.org/2000/svg', 'path');
      hot.setAttribute('class', each.lines ? 'hot' : 'hot dots');
      hot.setAttribute('d', each.paths.map(path => path(i)).join(''));
      each.svg.append(hot);
    }
    show(layout.svg, {series, i, x, y}, null, figure);
  }

  for (const layout of layouts) {
    const {svg} = layout;
    const place = event => {
      const matrix = svg.getScreenCTM();
      return [(event.clientX - matrix.e) / matrix.a, (event.clientY - matrix.f) / matrix.d, matrix.a];
    };
    let drag = null, stop = -1;
    const point = event => {
      if (drag) return;
      const [x, y, scale] = place(event);
      let best = [Infinity], member = -1;
      names.forEach((_, i) => {
        if (!within[i]) return;
        const found = nearestOf(layout.points(i), x, y, layout.lines);
        if (found[0] < best[0]) { best = found; member = i; }
      });
      if (best[0] * scale <= NEAR / 2) lift(layout, member, best[1], best[2]); else hide();
    };
    followed(svg, point);
    svg.addEventListener('keydown', event => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      const left = names.map((_, i) => i).filter(i => within[i]);
      if (!step || !left.length) return;
      event.preventDefault();
      stop = (left.indexOf(stop) + step + left.length) % left.length;
      stop = left[stop];
      lift(layout, stop, ...layout.points(stop)[0]);
    });
    for (const grip of svg.querySelectorAll('.grip')) {
      const m = Number(grip.dataset.objective);
      const along = event => place(event)[layout.upright ? 1 : 0];
      grip.addEventListener('pointerdown', event => {
        if (event.button) return;
        drag = {from: along(event), moved: false};
        grip.setPointerCapture(event.pointerId);
      });
      grip.addEventListener('pointermove', event => {
        if (!drag) return;
        drag.moved = drag.moved || Math.abs(along(event) - drag.from) > 4;
        if (!drag.moved) return;
        hide();
        choose(m, layout.placeAt(m, drag.from), layout.placeAt(m, along(event)));
        update();
      });
      grip.addEventListener('pointerup', () => {
        if (drag && !drag.moved && limited(m)) { free(m); update(); }
        drag = null;
      });
      grip.addEventListener('pointercancel', () => { drag = null; });
    }
  }
  controls.addEventListener('input', event => {
    const {objective: m, end} = event.target.dataset, value = Number(event.target.value);
    if (end === 'low') { low[m] = value; high[m] = Math.max(high[m], value); }
    else { high[m] = value; low[m] = Math.min(low[m], value); }
    update();
  });
  reset.addEventListener('click', () => { stops.forEach((_, m) => free(m)); update(); });
  document.documentElement.classList.add('brushed');
  controls.hidden = false;
  update();
}
if (whole) brushed(whole);
"""
