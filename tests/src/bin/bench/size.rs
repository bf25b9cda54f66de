//! The sizes of the things that are measured.

/// Numbers of files, paths and runs.
#[derive(Debug)]
pub(super) struct Size {
    /// True if the figures mean nothing.
    pub(super) is_small: bool,
    /// The folder of the made stores, below `target/bench-store`.
    pub(super) folder: &'static str,
    /// The number of store paths in the closure.
    pub(super) paths: usize,
    /// The number of files of the closure with a size of so many bits, from 0 on.
    pub(super) files: &'static [usize],
    /// The number of files that the wide path has in its one directory.
    pub(super) width: usize,
    /// The number of directories that the deep path has in each other.
    pub(super) depth: usize,
    /// The numbers of paths of the closures that are planned.
    pub(super) closures: &'static [usize],
    /// The number of files that commands at the root make.
    pub(super) made: usize,
    /// The number of paths of images in Nix.
    pub(super) nix: usize,
    /// The number of times that an image with nothing in it is streamed.
    pub(super) startups: usize,
    /// The number of times that anything else is measured.
    pub(super) rounds: usize,
}

/// The size of a big image. The numbers of files by size are those of a real closure: 48,499 files, 2.5 GB. With
/// directories and links there are some 59,000 entries.
pub(super) const FULL: Size = Size {
    is_small: false,
    folder: "",
    paths: 400,
    files: &[
        190, 17, 10, 25, 53, 101, 202, 390, 2062, 4399, 7208, 7804, 7742, 6097, 4785, 3255, 1850,
        1015, 550, 303, 204, 93, 73, 27, 17, 20, 4, 3,
    ],
    width: 100_000,
    depth: 200,
    closures: &[1_000, 10_000, 100_000],
    made: 10_000,
    nix: 400,
    startups: 20,
    rounds: 5,
};

/// A size that shows that everything runs, in seconds: its figures mean nothing. The closure has 283 files, 6 MB.
pub(super) const SMALL: Size = Size {
    is_small: true,
    folder: "small",
    paths: 30,
    files: &[
        2, 1, 1, 1, 1, 2, 3, 5, 10, 20, 35, 45, 50, 40, 30, 16, 10, 5, 3, 2, 1,
    ],
    width: 1_000,
    depth: 20,
    closures: &[1_000],
    made: 100,
    nix: 40,
    startups: 2,
    rounds: 1,
};
