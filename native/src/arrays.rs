//! JavaScript arrays that a job on another thread reads and fills.

use napi::bindgen_prelude::Uint8Array;

/// The input and the output of one job. JavaScript must touch neither until its promise has settled, and the two must
/// not share memory: that is the contract of every function that takes them.
pub struct Arrays {
    input: Uint8Array,
    output: Uint8Array,
}

impl Arrays {
    pub fn new(input: Uint8Array, output: Uint8Array) -> Self {
        Self { input, output }
    }

    /// Bytes of the input.
    pub fn input_bytes(&self) -> usize {
        self.input.len()
    }

    /// Bytes of the output.
    pub fn room(&self) -> usize {
        self.output.len()
    }

    pub fn both(&mut self) -> (&[u8], &mut [u8]) {
        // SAFETY: nobody else touches the memory before the promise settles, by the contract above.
        (&self.input, unsafe { self.output.as_mut() })
    }
}
