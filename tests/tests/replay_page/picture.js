// Makes a picture of the page's chart that needs neither scripts nor other files.
// The names at the right end are longer than the page's, and fonts differ.
const CHART = 960, WIDTH = 1000, TOP = 64;
const at = (id) => document.getElementById(id);
const chart = at('chart');
// The buttons draw the chart again, in this width.
chart.style.width = CHART + 'px';
document.querySelector('#modes [aria-checked="true"]').click();
const height = TOP + Number(chart.getAttribute('height'));
const picture = document.createElementNS(chart.namespaceURI, 'svg');
const whole = { viewBox: `0 0 ${WIDTH} ${height}`, width: 800, height: Math.round(height * 800 / WIDTH), role: 'img' };
for (const key in whole) picture.setAttribute(key, whole[key]);

function add(parent, name, attributes, text) {
  const node = parent.appendChild(document.createElementNS(picture.namespaceURI, name));
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  node.textContent = text;
  return node;
}

// Not all viewers of pictures know variables: the rules have the colours of the page, for light and for dark.
const sheet = document.styleSheets[0].cssRules;
const colours = [sheet[0].style, Array.from(sheet).find((rule) => rule.media?.mediaText.includes('dark')).cssRules[0].style];
const series = new Map();
for (const line of chart.querySelectorAll('.series')) {
  const name = /--(s\d)/.exec(line.style.stroke)[1];
  series.set(name, `.${name} { stroke: var(--${name}) }`);
  line.classList.add(name);
  line.style.stroke = '';
}
const rules = ['.page { fill: var(--surface) }', 'text { fill: var(--soft) }', '.end, .head { fill: var(--ink) }', '.grid { stroke: var(--grid) }',
  '.axis { stroke: var(--line) }', '.bound { stroke: var(--muted) }', ...series.values()];
const painted = (style) => rules.map((rule) => rule.replace(/var\((.*?)\)/, (_, name) => style.getPropertyValue(name).trim())).join('\n');
const shapes = ['text { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }', '.head { font-size: 18px; font-weight: 600 }',
  '.end { font-weight: 550 }', '.series, .bound { fill: none; stroke-linejoin: round }', '.bound { stroke-width: 2; stroke-dasharray: 5 4 }'];

const heading = at('chart-title').textContent + ' (' + document.querySelector('#modes [aria-checked="true"]').textContent + ')';
add(picture, 'title', {}, document.title + ': ' + heading);
add(picture, 'desc', {}, chart.getAttribute('aria-label'));
add(picture, 'style', {}, [...shapes, painted(colours[0]), '@media (prefers-color-scheme: dark) {', painted(colours[1]), '}'].join('\n'));
add(picture, 'rect', { class: 'page', width: WIDTH, height, rx: 8 }, '');
add(picture, 'text', { class: 'head', x: 16, y: 30 }, heading);
add(picture, 'text', { x: 16, y: 54 }, at('conclusion').textContent);
const body = add(picture, 'g', { transform: `translate(0 ${TOP})` }, '');
// The legend has the ratio of each policy behind its name.
const legend = Array.from(document.querySelectorAll('#legend span'), (entry) => entry.textContent);
for (const node of chart.querySelectorAll('line, path, text')) {
  if (node.matches('.end')) node.textContent = legend.find((entry) => entry.startsWith(node.textContent + ' ('));
  const copy = body.appendChild(node.cloneNode(true));
  for (const { name, value } of Array.from(copy.attributes)) if (value === '') copy.removeAttribute(name);
}
const text = new XMLSerializer().serializeToString(picture).replace(/(<(?:title|desc|style|rect|text|g|line|path)[ >])/g, '\n$1');
document.body.setAttribute('data-result', text + '\n');
