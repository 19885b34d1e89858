//! Random runs, with stale inputs, crashes and power cuts; and what has to be true of each one's log.

mod laws;
mod ops;

use proptest::prelude::*;
use wharf_protocol::Seq;

use self::laws::check_laws;
use self::ops::{Op, Run, any_op, any_setup};

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_run_keeps_the_laws(setup in any_setup(), ops in prop::collection::vec(any_op(), 1..80)) {
        let mut run = Run::new(setup);
        for op in ops {
            run.step(op);
        }
        run.run_out();
        check_laws(&run);
        run.bench.check_forks(5);
    }

    #[test]
    fn a_crash_at_every_step_keeps_the_laws(setup in any_setup(), ops in prop::collection::vec(any_op(), 1..40), every in 1_usize..4) {
        let mut run = Run::new(setup);
        for (index, op) in ops.into_iter().enumerate() {
            run.step(op);
            if index % every == 0 {
                let skip_to = (index % 5 == 0).then(|| Seq(run.bench.core.session().last_seq.0 + 7));
                run.step(Op::Crash { skip_to, drop_old_chunks: false });
            }
        }
        run.run_out();
        check_laws(&run);
        run.bench.check_forks(5);
    }
}
