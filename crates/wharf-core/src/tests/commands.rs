//! Background commands: what may start one, that each has one end, and what they outlive.

use expect_test::expect;

use super::script::check;

#[test]
fn a_command_outlives_its_call_and_its_turn() {
    check(
        "quiet; prompt m1; calls bash dev; loud; start a npm run dev; finish a started; quiet; done; loud; commands; wait 500; ended k1 exited 0; ended k1 exited 0; commands",
        expect![[r#"
            > start a npm run dev
              t1 command.started k1 by a: npm run dev
              -> start k1, 60000 ms
              = command k1
            > finish a started
              t1 tool.call_complete a "started" 0 ms
              -> call model 2: user do m1 | agent [a] | a started
            > commands
              npm run dev running
              quiet: false, 1 run
            > wait 500
            > ended k1 exited 0
              command.ended k1 exited Some(0) 500 ms
            > ended k1 exited 0
            > commands
              npm run dev exited
              quiet: true, 0 run
        "#]],
    );
}

#[test]
fn only_a_running_call_starts_a_command() {
    check(
        "quiet; prompt m1; calls bash dev; loud; start z ls; cancel; start a ls; finish a late; start a ls",
        expect![[r#"
            > start z ls
              = refused: the call is over or being stopped
            > cancel
              t1 turn.cancel_requested by Some("ann") force false
              -> stop a
              = cancelling t1
            > start a ls
              = refused: the call is over or being stopped
            > finish a late
              t1 tool.call_complete a "late" 0 ms
              t1 turn.cancelled "" by Some("ann"), 0 ms
              session.status_changed busy -> cancelled
              agent.idle
            > start a ls
              = refused: the call is over or being stopped
        "#]],
    );
}

#[test]
fn there_are_only_so_many() {
    check(
        "quiet; prompt m1; calls bash dev; start a one; start a two; loud; start a three; ended k1 exited 0; start a four",
        expect![[r#"
            > start a three
              = refused: 2 background commands run already
            > ended k1 exited 0
              command.ended k1 exited Some(0) 0 ms
            > start a four
              t1 command.started k3 by a: four
              -> start k3, 60000 ms
              = command k3
        "#]],
    );
}

#[test]
fn who_stopped_it_is_told() {
    check(
        "quiet; prompt m1; calls bash dev; start a one; start a two; loud; stop k1 ann; stop k1 bob; ended k1 stopped; stop k1 ann; stop k2 ann; ended k2 exited 3; stop k9",
        expect![[r#"
            > stop k1 ann
              -> stop k1
            > stop k1 bob
              -> stop k1
            > ended k1 stopped
              command.ended k1 stopped by ann None 0 ms
            > stop k1 ann
            > stop k2 ann
              -> stop k2
            > ended k2 exited 3
              command.ended k2 exited Some(3) 0 ms
            > stop k9
              = refused: no command k3 is known
        "#]],
    );
}

#[test]
fn the_next_server_gives_it_its_one_end() {
    check(
        "quiet; prompt m1; calls bash dev; start a npm run dev; finish a started; done; loud; crash 300; commands; ended k1 interrupted; ended k1 interrupted; crash; commands",
        expect![[r#"
            > crash 300
            > commands
              npm run dev running
              quiet: false, 1 run
            > ended k1 interrupted
              command.ended k1 interrupted None 300 ms
            > ended k1 interrupted
            > crash
            > commands
              npm run dev interrupted
              quiet: true, 0 run
        "#]],
    );
}

#[test]
fn a_cleared_session_keeps_its_commands() {
    check(
        "quiet; prompt m1; calls bash dev; start a one; start a two; ended k1 exited 0; finish a started; done; loud; clear; crash; commands; delete; ended k2 stopped; delete",
        expect![[r#"
            > clear
              session.cleared 0 grants, 2 commands kept
              -> truncate through 20
            > crash
            > commands
              two running
              one exited
              quiet: false, 1 run
            > delete
              -> stop k2
            > ended k2 stopped
              command.ended k2 stopped None 0 ms
              session.deleted
              -> delete
            > delete
              = refused: the session was deleted
        "#]],
    );
}

#[test]
fn there_are_only_so_many_in_all_sessions() {
    check(
        "quiet; prompt m1; calls bash dev; loud; crowd a one; start a two",
        expect![[r#"
        > crowd a one
          = refused: 64 background commands run already
        > start a two
          t1 command.started k1 by a: two
          -> start k1, 60000 ms
          = command k1
    "#]],
    );
}
