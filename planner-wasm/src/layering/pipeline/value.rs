//! The values that flow through a pipeline.

use std::collections::BTreeSet;
use std::ops::Range;

/// Some of the closure's paths as a graph of their own, and how they came together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The paths, as indices of the request.
    pub(super) vertices: Vec<u32>,
    /// The paths that each of them refers to, by places in `vertices`. Some of the closure's
    /// references may be missing: steps take references away, and none brings them back.
    pub(super) references: Vec<Vec<u32>>,
    /// The operations and keys that led here, for people.
    pub(super) trail: Vec<String>,
}

impl Part {
    /// One path of this part alone.
    pub(super) fn single(&self, vertex: u32, why: String) -> Self {
        Self {
            vertices: vec![vertex],
            references: vec![vec![]],
            trail: self.trail(why),
        }
    }

    /// The paths of this part at some places, one after the other.
    pub(super) fn cut(&self, places: Range<usize>, why: String) -> Self {
        let inside = |&other: &u32| {
            places
                .contains(&(other as usize))
                .then(|| other - places.start as u32)
        };
        let references = self.references[places.clone()].iter();
        Self {
            vertices: self.vertices[places.clone()].to_vec(),
            references: references
                .map(|others| others.iter().filter_map(inside).collect())
                .collect(),
            trail: self.trail(why),
        }
    }

    /// Those paths of this part whose places are marked, in their order here.
    pub(super) fn select(&self, marked: &[bool], why: &str) -> Self {
        let mut part = Self {
            vertices: vec![],
            references: vec![],
            trail: self.trail(why.to_owned()),
        };
        let mut places = vec![None; marked.len()];
        for (place, &vertex) in self
            .vertices
            .iter()
            .enumerate()
            .filter(|(place, _)| marked[*place])
        {
            // No more than a u32 counts, as these are paths of a request.
            places[place] = Some(part.vertices.len() as u32);
            part.vertices.push(vertex);
        }
        let kept = |others: &Vec<u32>| {
            others
                .iter()
                .filter_map(|&other| places[other as usize])
                .collect()
        };
        let marked = self
            .references
            .iter()
            .zip(marked)
            .filter(|(_, marked)| **marked);
        part.references = marked.map(|(others, _)| kept(others)).collect();
        part
    }

    /// This part without the references to some places.
    pub(super) fn without_ways_to(&self, places: &BTreeSet<u32>) -> Self {
        let mut part = self.clone();
        part.references
            .iter_mut()
            .for_each(|others| others.retain(|other| !places.contains(other)));
        part
    }

    /// Puts another part at the end of this one. Neither comes to refer to the other.
    pub(super) fn append(&mut self, other: Self) {
        // No more than a u32 counts, as these are paths of a request.
        let shift = self.vertices.len() as u32;
        self.vertices.extend(other.vertices);
        let shifted = |others: Vec<u32>| others.into_iter().map(|other| other + shift).collect();
        self.references
            .extend(other.references.into_iter().map(shifted));
    }

    /// Returns the paths that refer to each path, by places.
    pub(super) fn referrers(&self) -> Vec<Vec<u32>> {
        let mut referrers = vec![vec![]; self.references.len()];
        for (place, others) in (0..).zip(&self.references) {
            others
                .iter()
                .for_each(|&other| referrers[other as usize].push(place));
        }
        referrers
    }

    fn trail(&self, why: String) -> Vec<String> {
        self.trail.iter().cloned().chain([why]).collect()
    }
}

/// A value that flows through a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A graph.
    Graph(Part),
    /// Several values, one after the other.
    List(Vec<Value>),
    /// Several values with names, in order.
    Dictionary(Vec<(&'static str, Value)>),
}

impl Value {
    /// Returns its kind as errors name it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Graph(_) => "a graph",
            Self::List(_) => "a list",
            Self::Dictionary(_) => "a dictionary",
        }
    }

    /// All graphs in it, depth first. No value is nested deeper than the steps that made it.
    pub(super) fn parts(self) -> Vec<Part> {
        match self {
            Self::Graph(part) => vec![part],
            Self::List(items) => items.into_iter().flat_map(Self::parts).collect(),
            Self::Dictionary(entries) => entries
                .into_iter()
                .flat_map(|(_, value)| value.parts())
                .collect(),
        }
    }
}
