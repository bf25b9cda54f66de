//! Mutations of JSON as values: what comes out is JSON again.

use serde_json::{Map, Number, Value};

use super::{bytes, text};
use crate::random::Random;

/// Changes a value somewhere in a document. What is not JSON is changed as text.
pub(super) fn mutate(data: &mut Vec<u8>, words: &[&str], random: &mut Random) {
    let Ok(mut document) = serde_json::from_slice::<Value>(data) else {
        return text::mutate(data, words, random);
    };
    match random.below(12) {
        // A key that is there twice, white space, and text that breaks off are no values.
        0 => return bytes::mutate(data, random),
        1 => return text::mutate(data, words, random),
        _ => {}
    }
    let mut left = random.below(count(&document));
    let donor = random.below(count(&document));
    let other = nth(&document, &mut { donor })
        .cloned()
        .unwrap_or(Value::Null);
    if let Some(value) = nth_mut(&mut document, &mut left) {
        change(value, other, words, random);
    }
    *data = document.to_string().into_bytes();
}

/// Returns the number of values in a value, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

fn nth<'v>(value: &'v Value, left: &mut usize) -> Option<&'v Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter().find_map(|item| nth(item, left)),
        Value::Object(fields) => fields.values().find_map(|item| nth(item, left)),
        _ => None,
    }
}

fn nth_mut<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth_mut(item, left)),
        Value::Object(fields) => fields.values_mut().find_map(|item| nth_mut(item, left)),
        _ => None,
    }
}

fn change(value: &mut Value, other: Value, words: &[&str], random: &mut Random) {
    match random.below(10) {
        0 => *value = other,
        1 => *value = odd(words, random),
        2 => *value = Value::Array(vec![value.take(); 1 + random.below(3)]),
        3 => {
            let key = random.pick(words).copied().unwrap_or_default().to_owned();
            *value = Value::Object(Map::from_iter([(key, value.take())]));
        }
        _ => match value {
            Value::Array(items) => array(items, other, random),
            Value::Object(fields) => object(fields, other, words, random),
            Value::String(string) => *string = text::change(string, words, random),
            _ => *value = odd(words, random),
        },
    }
}

fn array(items: &mut Vec<Value>, other: Value, random: &mut Random) {
    let place = random.below(items.len());
    match random.below(4) {
        0 if !items.is_empty() => drop(items.remove(place)),
        1 if !items.is_empty() => items.insert(place, items[place].clone()),
        2 if !items.is_empty() => {
            let with = random.below(items.len());
            items.swap(place, with);
        }
        _ => items.push(other),
    }
}

fn object(fields: &mut Map<String, Value>, other: Value, words: &[&str], random: &mut Random) {
    let place = random.below(fields.len());
    let key = fields.keys().nth(place).cloned();
    let word = random.pick(words).copied().unwrap_or_default();
    match (random.below(4), key) {
        (0, Some(key)) => drop(fields.remove(&key)),
        (1, Some(key)) => {
            // The value under another name.
            let value = fields.remove(&key).unwrap_or(Value::Null);
            fields.insert(text::change(&key, words, random), value);
        }
        (2, Some(key)) => drop(fields.insert(key, odd(words, random))),
        _ => drop(fields.insert(word.to_owned(), other)),
    }
}

/// Returns a value that programs break at.
fn odd(words: &[&str], random: &mut Random) -> Value {
    let number = random.interesting();
    match random.below(9) {
        0 => Value::Null,
        1 => Value::Bool(number.is_multiple_of(2)),
        2 => Value::from(number),
        3 => Value::from((number as i64).wrapping_neg()),
        4 => Number::from_f64(f64::from_bits(number)).map_or(Value::Null, Value::Number),
        5 => Value::Array(vec![]),
        6 => Value::Object(Map::new()),
        7 => Value::from(random.pick(words).copied().unwrap_or_default()),
        _ => Value::from(text::change("", words, random)),
    }
}
