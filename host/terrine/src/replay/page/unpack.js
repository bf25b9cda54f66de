'use strict';
// The data of the page, which `packed.rs` packs.
function unpack(data) {
  const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const DIGITS = new Map(Array.from(LETTERS, (letter, digit) => [letter, digit]));
  // One number after the other; sizes may have more bits than the operators for bits take.
  function numbers(text) {
    let at = 0;
    return () => {
      let number = 0, scale = 1, digit;
      do {
        digit = DIGITS.get(text[at++]);
        number += digit % 32 * scale;
        scale *= 32;
      } while (digit >= 32);
      return number;
    };
  }
  const signed = (number) => number % 2 ? -(number + 1) / 2 : number / 2;

  // Nix's hashes have letters of five bits.
  function inFiveBits(text) {
    const NIX = '0123456789abcdfghijklmnpqrsvwxyz', letters = [];
    let bits = 0, have = 0;
    for (const letter of text) {
      bits = bits << 6 | DIGITS.get(letter);
      for (have += 6; have >= 5;) {
        have -= 5;
        letters.push(NIX[bits >> have & 31]);
      }
      bits &= (1 << have) - 1;
    }
    return letters.join('');
  }

  function paths({ prefix, hashes: given, packed, ends, list, count }) {
    const next = numbers(list), hashes = packed ? inFiveBits(given) : given;
    let hash = 0, known = 0;
    return Array.from({ length: count }, () => {
      const head = next(), size = next(), which = Math.floor(head / 2);
      const end = which === 0 ? ends[known++] : ends[known - which];
      const start = head % 2 ? hashes.slice(hash, hash += 32) + '-' : '';
      return [prefix + start + end, size];
    });
  }

  function layers(text, count) {
    const next = numbers(text), all = [];
    for (let layer = 0; layer < count; layer++) {
      const back = next(), paths = [];
      if (back > 0) {
        const base = all[layer - back];
        let place = 0;
        for (let left = next(); left > 0; left--) {
          const change = next(), end = place + Math.floor(change / 4);
          while (place < end) paths.push(base[place++]);
          const far = change % 4 === 3 ? 3 + next() : change % 4;
          if (far > 0) paths.push(base[place] + far);
          place++;
        }
        while (place < base.length) paths.push(base[place++]);
      }
      let path = 0;
      for (let left = next(); left > 0; left--) {
        path += next();
        paths.push(path++);
      }
      all.push(paths.sort((a, b) => a - b));
    }
    return all;
  }

  function step(text, before) {
    const next = numbers(text);
    return before.map((old) => {
      const states = [];
      let expected = 0, last = -1;
      for (const count = next(); states.length < count;) {
        const head = next(), far = signed(next());
        if (head % 2) {
          last += far + 1;
          states.push([last, Math.floor(head / 4), Math.floor(head / 2) % 2]);
          expected++;
        } else {
          expected += far;
          for (let left = head / 2; left > 0; left--) states.push([old[expected][0], old[expected++][1], 0]);
        }
      }
      return states;
    });
  }

  data.paths = paths(data.paths);
  for (const run of data.runs) {
    run.layers = layers(run.layers, run.layerCount);
    let before = data.images.map(() => []);
    run.states = run.states.map((text) => before = step(text, before));
  }
  return data;
}
