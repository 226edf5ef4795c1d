//! The emulated Exotel, with a scripted bot at the other end.

mod bot;
mod flow;
mod legs;
mod peer;
mod proof;
mod rest;
mod stream;

use std::time::Duration;

use lab::caller::{Caller, Step};
use lab::exotel::{Applet, Exotel, ExotelConfig, Manner, PlacedCall};
use lab::phone::{CallReport, LiveCall};

use bot::{Bot, Socket};

/// An open stream: everything a test needs of both ends.
struct Open {
    bot: Bot,
    exotel: Exotel,
    live: LiveCall,
    socket: Socket,
}

async fn open(caller: Caller) -> Open {
    open_with("", caller, Manner::default()).await
}

/// With this behind the socket's URL.
async fn open_with(query: &str, caller: Caller, manner: Manner) -> Open {
    let mut bot = Bot::start().await;
    let exotel = Exotel::start(ExotelConfig::default()).await.unwrap();
    let call = PlacedCall { caller, manner, ..PlacedCall::to(Applet::Static(format!("{}{query}", bot.url))) };
    let live = exotel.place_call(call);
    let mut socket = bot.socket().await;
    socket.start().await;
    Open { bot, exotel, live, socket }
}

fn hangs_up_after(time: Duration) -> Caller {
    Caller::with_steps(vec![Step::Wait(time), Step::HangUp])
}

/// Sound that is loud all through, 16 bits.
fn loud(bytes: usize) -> Vec<u8> {
    [0x00, 0x20].into_iter().cycle().take(bytes).collect()
}

fn heard_loud_ms(report: &CallReport) -> u64 {
    report.heard.samples.iter().filter(|sample| sample.abs() > 100).count() as u64 / 8
}

/// The first words of all complaints.
fn complaints(report: &CallReport) -> Vec<&str> {
    report.warnings.iter().map(|warning| warning.text.split(':').next().unwrap()).collect()
}
