//! One block, processed on libuv's pool.

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Result, Task};

use crate::arrays::Arrays;

/// What is done with an input at a level; returns the number of bytes put into the output.
pub type Work = fn(input: &[u8], output: &mut [u8], level: i32) -> Result<u32>;

/// Work on two arrays; JavaScript gets a promise for it.
pub struct BlockJob {
    arrays: Arrays,
    level: i32,
    work: Work,
}

impl BlockJob {
    pub fn begin(arrays: Arrays, level: i32, work: Work) -> AsyncTask<Self> {
        AsyncTask::new(Self { arrays, level, work })
    }
}

impl Task for BlockJob {
    type Output = u32;
    type JsValue = u32;

    fn compute(&mut self) -> Result<u32> {
        let (input, output) = self.arrays.both();
        (self.work)(input, output, self.level)
    }

    fn resolve(&mut self, _env: Env, bytes: u32) -> Result<u32> {
        Ok(bytes)
    }
}
