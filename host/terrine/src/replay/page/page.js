(function () {
  const data = unpack(JSON.parse(document.getElementById('data').textContent));
  const at = (id) => document.getElementById(id);
  const space = at('chart').namespaceURI;
  const SERIES = 8;
  const state = { budget: 0, mode: 'sum', run: 0, image: 0, step: data.steps.length - 1, layer: null };

  // Everything that comes from the data is put in as text, never as markup.
  function add(parent, name, attributes, text) {
    const node = parent instanceof SVGElement ? document.createElementNS(space, name) : document.createElement(name);
    for (const key in attributes || {}) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  }
  function clear(node) { while (node.firstChild) node.removeChild(node.firstChild); }

  function bytes(number) {
    if (number < 1000) return number + ' B';
    let unit = '';
    for (const next of ['kB', 'MB', 'GB', 'TB', 'PB', 'EB']) {
      if (number < 999.995) break;
      number /= 1000;
      unit = next;
    }
    return number.toFixed(2) + ' ' + unit;
  }
  // Formats bytes for axes, without trailing zeros.
  function round(number) { return bytes(number).replace(/\.0+ /, ' ').replace(/(\.\d*[1-9])0+ /, '$1 '); }
  function name(path) {
    const last = path.slice(path.lastIndexOf('/') + 1);
    const hash = /^[0-9A-Za-z]{32}-(.+)$/.exec(last);
    return hash ? hash[1] : last;
  }
  const budgets = [];
  for (const run of data.runs) if (!budgets.includes(run.maxLayers)) budgets.push(run.maxLayers);
  const budgetName = (budget) => budget === null ? 'any' : String(budget);
  // A policy has the same colour at every budget.
  const names = [];
  for (const run of data.runs) if (!names.includes(run.name)) names.push(run.name);
  const colour = (run) => 'var(--s' + names.indexOf(run.name) % SERIES + ')';
  // Lines differ without colours, too: each has its own dashes. Each is thinner than the lines below it, so that all are
  // visible where they overlap.
  const DASHES = ['', '10 5', '3 4', '14 4 3 4', '7 3 1 3', '1 5', '18 6', '5 2'];
  const dashes = (run) => DASHES[names.indexOf(run.name) % DASHES.length];
  const thickness = (index, count) => 2 + Math.min(6, 2 * (count - 1 - index));
  const shown = () => data.runs.filter((run) => run.maxLayers === budgets[state.budget]);

  // Not `Math.max(...list)`, because long lists exceed the limit of arguments.
  const largest = (list) => list.reduce((most, value) => Math.max(most, value), 0);
  // The first pull of a client is not part of the totals.
  function values(list) {
    let sum = 0;
    return list.map((value, step) => {
      if (step === 0) return 0;
      sum += value;
      return state.mode === 'sum' ? sum : value;
    });
  }

  // ---- the tip -----------------------------------------------------------
  const tip = at('tip');
  function showTip(x, y, fill) {
    clear(tip);
    fill(tip);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16;
    tip.style.left = Math.max(4, left) + 'px';
    tip.style.top = Math.max(4, Math.min(y + 16, innerHeight - box.height - 8)) + 'px';
  }
  function hideTip() { tip.hidden = true; }
  function row(parent, key, value, fill) {
    const line = add(parent, 'div', { class: 'row' });
    const left = add(line, 'span');
    if (fill) add(left, 'i').style.background = fill;
    left.appendChild(document.createTextNode(key));
    add(line, 'span', {}, value);
  }
  function title(step) {
    const { number, label } = data.steps[step];
    return 'step ' + number + (label === String(number) ? '' : ' · ' + label);
  }

  // ---- the chart ---------------------------------------------------------
  const chart = at('chart');
  let cursor = null;
  function ticks(max) {
    if (max <= 0) return [0, 1];
    const rough = max / 4;
    const power = Math.pow(10, Math.floor(Math.log10(rough)));
    const size = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const list = [];
    for (let tick = 0; list.length === 0 || list[list.length - 1] < max; tick += size) list.push(tick);
    return list;
  }
  function drawChart() {
    clear(chart);
    const runs = shown();
    const width = Math.max(320, chart.clientWidth || 1000);
    const height = 360;
    const box = { left: 64, right: width - (width > 640 && state.mode === 'sum' ? 150 : 20), top: 14, bottom: height - 34 };
    chart.setAttribute('viewBox', '0 0 ' + width + ' ' + height);
    chart.setAttribute('height', height);
    const lines = runs.map((run) => ({ run, values: values(run.pulled) }));
    // Runs may differ in their bounds if options leave paths out: the bound of the first is drawn.
    const bound = values(runs[0].bound);
    const scale = ticks(Math.max(1, largest(bound), largest(lines.map((line) => largest(line.values)))));
    const top = scale[scale.length - 1];
    const count = data.steps.length;
    const x = (step) => box.left + (count === 1 ? 0 : step / (count - 1)) * (box.right - box.left);
    const y = (value) => box.bottom - value / top * (box.bottom - box.top);
    for (const tick of scale) {
      add(chart, 'line', { class: 'grid', x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) });
      add(chart, 'text', { x: box.left - 10, y: y(tick) + 4, 'text-anchor': 'end' }, round(tick));
    }
    add(chart, 'line', { class: 'axis', x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom });
    const marks = Math.max(1, Math.min(count - 1, Math.floor((box.right - box.left) / 130)));
    for (let i = 0; i <= marks && count > 1; i++) {
      const step = Math.round(i * (count - 1) / marks);
      const anchor = i === 0 ? 'start' : i === marks ? 'end' : 'middle';
      const label = data.steps[step].label;
      add(chart, 'text', { x: x(step), y: box.bottom + 20, 'text-anchor': anchor }, label.length > 18 ? label.slice(0, 17) + '…' : label);
    }
    const path = (list) => list.map((value, step) => (step ? 'L' : 'M') + x(step).toFixed(1) + ' ' + y(value).toFixed(1)).join('');
    lines.forEach((line, i) => {
      const drawn = add(chart, 'path', { class: 'series', d: path(line.values), 'stroke-width': thickness(i, lines.length), 'stroke-dasharray': dashes(line.run) });
      drawn.style.stroke = colour(line.run);
    });
    add(chart, 'path', { class: 'bound', d: path(bound) });
    if (width > 640 && state.mode === 'sum') endLabels(lines, bound, box, y);
    const over = add(chart, 'g', { class: 'over' });
    chart.setAttribute('aria-label', runs.map((run) => run.name + ' ' + bytes(values(run.pulled)[count - 1])).join(', '));
    cursor = { box, x, y, lines, bound, over, count, step: null };
  }
  // Names at the ends of the lines, pushed apart where they would touch.
  function endLabels(lines, bound, box, y) {
    const last = (list) => list[list.length - 1];
    const labels = lines.map((line) => ({ text: line.run.name, y: y(last(line.values)), line }));
    labels.push({ text: 'lower bound', y: y(last(bound)) });
    labels.sort((a, b) => a.y - b.y);
    for (let i = 1; i < labels.length; i++) labels[i].y = Math.max(labels[i].y, labels[i - 1].y + 15);
    const over = labels[labels.length - 1].y - box.bottom;
    if (over > 0) for (const label of labels) label.y -= over;
    for (const label of labels) {
      const text = label.text.length > 20 ? label.text.slice(0, 19) + '…' : label.text;
      add(chart, 'text', { class: label.line ? 'end' : '', x: box.right + 10, y: label.y + 4 }, text);
    }
  }
  function point(step, clientX, clientY) {
    const { box, x, y, lines, bound, over } = cursor;
    cursor.step = step;
    clear(over);
    add(over, 'line', { class: 'cross', x1: x(step), x2: x(step), y1: box.top, y2: box.bottom });
    for (const line of lines) {
      const dot = add(over, 'circle', { class: 'dot', cx: x(step), cy: y(line.values[step]), r: 4.5 });
      dot.style.fill = colour(line.run);
    }
    showTip(clientX, clientY, (tip) => {
      add(tip, 'strong', {}, title(step) + (step === 0 ? ' · first pull' : ''));
      const sorted = lines.slice().sort((a, b) => b.values[step] - a.values[step]);
      if (step === 0) {
        for (const line of sorted) row(tip, line.run.name, bytes(line.run.pulled[0]) + ', not in the sums', colour(line.run));
        return;
      }
      for (const line of sorted) {
        const now = state.mode === 'sum' ? ' (+' + bytes(line.run.pulled[step]) + ')' : ', ' + line.run.requests[step] + ' requests';
        row(tip, line.run.name, bytes(line.values[step]) + now, colour(line.run));
      }
      row(tip, 'lower bound', bytes(bound[step]), 'var(--muted)');
    });
  }
  chart.addEventListener('pointermove', (event) => {
    const { box, count } = cursor;
    const rect = chart.getBoundingClientRect();
    const place = (event.clientX - rect.left) * (chart.viewBox.baseVal.width / rect.width);
    const step = Math.round((place - box.left) / (box.right - box.left) * (count - 1));
    point(Math.max(0, Math.min(count - 1, step)), event.clientX, event.clientY);
  });
  function leave() { if (cursor) { clear(cursor.over); cursor.step = null; } hideTip(); }
  chart.addEventListener('pointerleave', leave);
  chart.addEventListener('blur', leave);
  chart.addEventListener('click', () => { if (cursor.step !== null) setStep(cursor.step); });
  chart.addEventListener('keydown', (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === 'Enter' && cursor.step !== null) setStep(cursor.step);
    if (!move) return;
    event.preventDefault();
    const step = cursor.step === null ? cursor.count - 1 : Math.max(0, Math.min(cursor.count - 1, cursor.step + move));
    const rect = chart.getBoundingClientRect();
    point(step, rect.left + cursor.x(step) * rect.width / chart.viewBox.baseVal.width, rect.top + 40);
  });

  // ---- the treemap -------------------------------------------------------
  const map = at('map');
  const CLASSES = ['never', 'up to 10 %', 'up to 25 %', 'up to 50 %', 'up to 75 %', 'more'];
  function classOf(changes, steps) {
    if (!changes || !steps) return 0;
    const share = changes / steps;
    return share <= 0.1 ? 1 : share <= 0.25 ? 2 : share <= 0.5 ? 3 : share <= 0.75 ? 4 : 5;
  }
  // Rows of tiles that are as square as they can be (Bruls, Huizing, van Wijk).
  function squarify(items, box) {
    const tiles = [];
    let rest = items.filter((item) => item.area > 0).sort((a, b) => b.area - a.area || a.place - b.place);
    let { x, y, width, height } = box;
    const worst = (row, sum, side) => Math.max(row[0].area * side * side / (sum * sum), sum * sum / (row[row.length - 1].area * side * side));
    while (rest.length) {
      const side = Math.min(width, height);
      let row = [], sum = 0;
      for (const item of rest) {
        const longer = row.concat(item), total = sum + item.area;
        if (row.length && worst(longer, total, side) > worst(row, sum, side)) break;
        row = longer;
        sum = total;
      }
      rest = rest.slice(row.length);
      const depth = side > 0 ? sum / side : 0;
      let along = 0;
      for (const item of row) {
        const length = depth > 0 ? item.area / depth : 0;
        tiles.push(width >= height
          ? { item, x, y: y + along, width: depth, height: length }
          : { item, x: x + along, y, width: length, height: depth });
        along += length;
      }
      if (width >= height) { x += depth; width -= depth; } else { y += depth; height -= depth; }
    }
    return tiles;
  }
  function layersNow() {
    const run = shown()[state.run];
    return run.states[state.step][state.image].map(([layer, changes, changed], place) => {
      const paths = run.layers[layer].slice().sort((a, b) => data.paths[b][1] - data.paths[a][1] || a - b);
      const size = paths.reduce((sum, path) => sum + data.paths[path][1], 0);
      return { place, changes, changed: changed === 1, paths, size, layer };
    });
  }
  function often(layer) {
    if (state.step === 0) return 'first pull';
    return 'changed in ' + layer.changes + ' of ' + state.step + (state.step === 1 ? ' update' : ' updates');
  }
  function heading(layer) {
    return 'layer ' + (layer.place + 1) + ' · ' + bytes(layer.size) + ' · ' + layer.paths.length + (layer.paths.length === 1 ? ' path' : ' paths');
  }
  function listed(layer, count) {
    const list = layer.paths.slice(0, count).map((path) => name(data.paths[path][0]));
    if (layer.paths.length > count) list.push('and ' + (layer.paths.length - count) + ' more');
    return list.join(', ');
  }
  function drawMap() {
    clear(map);
    const layers = layersNow();
    const width = Math.max(320, map.clientWidth || 1000);
    const height = Math.round(Math.max(280, Math.min(520, width * 0.48)));
    map.setAttribute('viewBox', '0 0 ' + width + ' ' + height);
    map.setAttribute('height', height);
    const total = layers.reduce((sum, layer) => sum + layer.size, 0);
    const items = layers.map((layer) => ({ layer, place: layer.place, area: total ? layer.size / total * width * height : 0 }));
    for (const tile of squarify(items, { x: 0, y: 0, width, height })) drawTile(tile);
    const changed = layers.filter((layer) => layer.changed);
    at('map-text').textContent = layers.length + (layers.length === 1 ? ' layer, ' : ' layers, ') + bytes(total)
      + (state.step === 0 ? '' : '; ' + changed.length + ' changed in this step, ' + bytes(changed.reduce((sum, layer) => sum + layer.size, 0)))
      + '. The area of a tile is the size of its layer. Select a layer to see its store paths.';
    at('step-label').textContent = title(state.step) + (state.step === 0 ? ' · first pull' : '');
    at('step').setAttribute('aria-valuetext', title(state.step));
    drawRows(layers);
    drawDetail(layers);
  }
  function drawTile(tile) {
    const layer = tile.item.layer;
    const shade = classOf(layer.changes, state.step);
    const group = add(map, 'g', { tabindex: 0, role: 'button', 'aria-label': heading(layer) + ', ' + often(layer) + (layer.changed ? ', changed in this step' : '') + ': ' + listed(layer, 3) });
    if (state.layer === layer.place) group.classList.add('chosen');
    const rect = add(group, 'rect', { class: 'tile', x: tile.x, y: tile.y, width: tile.width, height: tile.height, rx: 4 });
    rect.style.fill = 'var(--c' + shade + ')';
    if (layer.changed && tile.width > 10 && tile.height > 10) {
      add(group, 'rect', { class: 'now', x: tile.x + 3.5, y: tile.y + 3.5, width: tile.width - 7, height: tile.height - 7, rx: 2 });
    }
    const letters = Math.floor((tile.width - 22) / 7);
    if (letters >= 4 && tile.height >= 30) {
      const write = (text, line) => {
        const shortened = text.length > letters ? text.slice(0, letters - 1) + '…' : text;
        add(group, 'text', { class: 'label', x: tile.x + 10, y: tile.y + 21 + 15 * line }, shortened).style.fill = 'var(--t' + shade + ')';
      };
      const more = layer.paths.length > 1 ? ' +' + (layer.paths.length - 1) : '';
      write(name(data.paths[layer.paths[0]][0]) + more, 0);
      if (tile.height >= 46) write(bytes(layer.size), 1);
      if (tile.height >= 62 && state.step > 0) write(layer.changes + '× changed', 2);
    }
    group.addEventListener('pointermove', (event) => showTip(event.clientX, event.clientY, (tip) => tipOf(tip, layer)));
    group.addEventListener('pointerleave', hideTip);
    group.addEventListener('focus', () => {
      if (!group.matches(':focus-visible')) return;
      const box = rect.getBoundingClientRect();
      showTip(box.left + box.width / 2, box.top + Math.min(40, box.height / 2), (tip) => tipOf(tip, layer));
    });
    group.addEventListener('blur', hideTip);
    group.addEventListener('click', () => choose(layer.place));
    group.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      choose(layer.place);
    });
  }
  function tipOf(tip, layer) {
    add(tip, 'strong', {}, heading(layer));
    row(tip, often(layer) + (layer.changed ? ', including this step' : ''), '', 'var(--c' + classOf(layer.changes, state.step) + ')');
    for (const path of layer.paths.slice(0, 10)) row(tip, name(data.paths[path][0]), bytes(data.paths[path][1]));
    if (layer.paths.length > 10) row(tip, 'and ' + (layer.paths.length - 10) + ' more', '');
  }
  function choose(place) {
    state.layer = state.layer === place ? null : place;
    hideTip();
    const label = document.activeElement && document.activeElement.getAttribute('aria-label');
    drawMap();
    for (const group of map.children) if (group.getAttribute('aria-label') === label) group.focus();
  }
  function drawDetail(layers) {
    const layer = layers.find((layer) => layer.place === state.layer);
    at('detail').hidden = !layer;
    if (!layer) return;
    at('detail-title').textContent = heading(layer) + ' · ' + often(layer);
    const rows = at('detail-rows');
    clear(rows);
    for (const path of layer.paths) {
      const line = add(rows, 'tr');
      add(line, 'td', {}, data.paths[path][0]);
      add(line, 'td', { class: 'n' }, bytes(data.paths[path][1]));
    }
  }
  function drawRows(layers) {
    const rows = at('layer-rows');
    clear(rows);
    if (!at('layer-details').open) return;
    for (const layer of layers) {
      const line = add(rows, 'tr');
      add(line, 'th', { scope: 'row', class: 'n' }, String(layer.place + 1));
      for (const cell of [bytes(layer.size), String(layer.paths.length), String(layer.changes)]) add(line, 'td', { class: 'n' }, cell);
      add(line, 'td', {}, layer.changed ? 'yes' : 'no');
      add(line, 'td', {}, listed(layer, 3));
    }
  }
  at('layer-details').addEventListener('toggle', () => drawRows(layersNow()));

  // ---- controls ----------------------------------------------------------
  function segments(id, options, current, choose) {
    const place = at(id);
    clear(place);
    const buttons = options.map(([value, text]) => {
      const chosen = value === current();
      const button = add(place, 'button', { type: 'button', role: 'radio', 'aria-checked': chosen, tabindex: chosen ? 0 : -1 }, text);
      button.addEventListener('click', () => {
        choose(value);
        buttons.forEach((other, i) => {
          other.setAttribute('aria-checked', options[i][0] === value);
          other.tabIndex = options[i][0] === value ? 0 : -1;
        });
      });
      return button;
    });
    place.onkeydown = (event) => {
      const move = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (!move) return;
      event.preventDefault();
      const next = buttons[(buttons.indexOf(document.activeElement) + move + buttons.length) % buttons.length];
      next.focus();
      next.click();
    };
  }
  function options(id, list, chosen) {
    const select = at(id);
    clear(select);
    list.forEach((text, i) => add(select, 'option', { value: i }, text));
    select.value = String(chosen);
  }
  function setStep(step) {
    state.step = Math.max(0, Math.min(data.steps.length - 1, step));
    at('step').value = String(state.step);
    state.layer = null;
    drawMap();
  }
  function legend() {
    const place = at('legend');
    clear(place);
    const sample = (entry, attributes) => {
      const mark = entry.appendChild(document.createElementNS(space, 'svg'));
      for (const [key, value] of [['width', 30], ['height', 10], ['aria-hidden', 'true']]) mark.setAttribute(key, value);
      return add(mark, 'line', { x1: 0, x2: 30, y1: 5, y2: 5, ...attributes });
    };
    for (const run of shown()) {
      const entry = add(place, 'span');
      sample(entry, { 'stroke-width': 3, 'stroke-dasharray': dashes(run) }).style.stroke = colour(run);
      entry.appendChild(document.createTextNode(run.name + (run.ratio === null ? '' : ' (' + run.ratio.toFixed(3) + ')')));
    }
    const entry = add(place, 'span');
    sample(entry, { class: 'bound' });
    entry.appendChild(document.createTextNode('lower bound'));
  }
  function scale() {
    const place = at('scale');
    add(place, 'span', {}, 'Share of the updates so far that changed it:');
    CLASSES.forEach((text, i) => {
      const entry = add(place, 'span');
      add(entry, 'b').style.background = 'var(--c' + i + ')';
      entry.appendChild(document.createTextNode(text));
    });
    const entry = add(place, 'span');
    add(entry, 'b', { class: 'now' });
    entry.appendChild(document.createTextNode('changed in this step'));
  }
  function setBudget(budget) {
    const policy = shown()[state.run] && shown()[state.run].name;
    state.budget = budget;
    state.run = Math.max(0, shown().findIndex((run) => run.name === policy));
    state.layer = null;
    options('policy', shown().map((run) => run.name), state.run);
    legend();
    drawChart();
    drawMap();
  }
  at('policy').addEventListener('change', (event) => { state.run = Number(event.target.value); state.layer = null; drawMap(); });
  at('image').addEventListener('change', (event) => { state.image = Number(event.target.value); state.layer = null; drawMap(); });
  at('step').addEventListener('input', (event) => setStep(Number(event.target.value)));
  at('earlier').addEventListener('click', () => setStep(state.step - 1));
  at('later').addEventListener('click', () => setStep(state.step + 1));
  let width = 0;
  addEventListener('resize', () => {
    if (innerWidth === width) return;
    width = innerWidth;
    drawChart();
    drawMap();
  });

  at('title').textContent = document.title;
  at('plots').hidden = false;
  at('step').max = String(data.steps.length - 1);
  at('step').value = String(state.step);
  at('image-control').hidden = data.images.length < 2;
  options('image', data.images, 0);
  segments('budgets', budgets.map((budget, i) => [i, budgetName(budget)]), () => state.budget, setBudget);
  segments('modes', [['sum', 'total so far'], ['each', 'each step']], () => state.mode, (mode) => { state.mode = mode; drawChart(); });
  scale();
  setBudget(0);
  document.documentElement.dataset.ready = 'yes';
})();
