//! What flows through a pipeline.

/// Some of the closure's paths, and how they came together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The paths, as indices of the request.
    pub(super) vertices: Vec<u32>,
    /// The operations and keys that led here, for people.
    pub(super) trail: Vec<String>,
}

impl Part {
    /// Some of the paths of this part.
    pub(super) fn cut(&self, vertices: Vec<u32>, why: String) -> Self {
        let mut trail = self.trail.clone();
        trail.push(why);
        Self { vertices, trail }
    }

    /// Those paths of this part that are marked, in their order here.
    pub(super) fn select(&self, marked: &[bool], why: &str) -> Self {
        let vertices = self.vertices.iter().copied().filter(|&vertex| marked[vertex as usize]);
        self.cut(vertices.collect(), why.to_owned())
    }
}

/// What flows through a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A graph, by its vertices; the edges between these are those of the closure.
    Graph(Part),
    /// Several values, one after the other.
    List(Vec<Value>),
    /// Several values with names, in order.
    Dictionary(Vec<(&'static str, Value)>),
}

impl Value {
    /// What errors call it.
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
            Self::Dictionary(entries) => {
                entries.into_iter().flat_map(|(_, value)| value.parts()).collect()
            }
        }
    }
}
