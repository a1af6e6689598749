//! The same seed and the same inputs give the same steps.

use super::world::{DONE, World};
use crate::base::Rng;

const SCRIPT: &str = "
local seen = {}
pbx.internal('{n}', function(call, m)
  call:defer(function() print('bye', m.n) end)
  for i = 1, math.random(5) do
    seen[m.n .. '/' .. math.random(100)] = i
    local first = pbx.race{
      function() call:sleep(math.random(9)) return 'a' end,
      function() pbx.all{ function() call:sleep(math.random()) end, function() call:play('x') end } return 'b' end,
    }
    for key, value in pairs(seen) do print(i, first, key, value, {}, print) end
    for _ = 1, math.random(50000) do end
  end
  if math.random(2) == 1 then error({ n = m.n, seen = seen }) end
end)";

fn told(seed: u64) -> Vec<String> {
    let mut rng = Rng::from_seed(seed);
    let mut it = World::new(SCRIPT);
    for call in 1..=8 {
        it.begin(call, &call.to_string()).unwrap();
    }
    it.run();
    for _ in 0..200 {
        let ops: Vec<_> = it.pending.keys().copied().collect();
        if ops.is_empty() {
            break;
        }
        let op = ops[rng.below(ops.len() as u64) as usize];
        if rng.hits(50) {
            let call = it.pending[&op].0;
            it.hang_up(call.0);
        } else {
            it.answer_op(op, DONE);
        }
    }
    for call in 1..=8 {
        it.hang_up(call);
    }
    it.told
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..5 {
        let first = told(seed);
        assert_eq!(first, told(seed));
        assert_eq!(first.iter().filter(|it| it.ends_with(" over")).count(), 8);
        assert!(first.len() > 50);
    }
}
