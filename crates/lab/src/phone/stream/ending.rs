//! The ways a media socket comes to its end from the carrier's side.

use std::time::Duration;

use tokio::time::timeout;

use super::{Left, Stream, StreamOver};
use crate::net::Life;
use crate::phone::call::Phone;
use crate::phone::dialect::Stopping;
use crate::phone::order::Leave;
use crate::phone::socket::MediaWire;
use crate::phone::timeline::{End, How, StreamEnd};
use crate::wire::Heard;

/// How long a gateway may take to answer our close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
const STOPPED_SOCKET_STAYS: Duration = Duration::from_secs(60);

/// What becomes of the socket itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// Both close frames have been exchanged, or nothing is left to be exchanged with.
    Drop,
    /// The gateway's close frame wants its answer.
    Finish,
    Reset,
}

impl Parting {
    pub(super) fn carry_out(self, wire: MediaWire, life: &Life) {
        match self {
            Parting::Drop => drop(wire),
            Parting::Finish => life.spawn(wire.finish()),
            Parting::Reset => wire.abort(),
        }
    }
}

impl Phone {
    /// The regular end: the carrier's last word, then a close frame.
    pub(super) async fn stop(&mut self, stream: &mut Stream, left: Result<StreamOver, Leave>) -> Left {
        self.settle(stream);
        let why = Stopping::of(&left);
        stream.post(|dialect, out| dialect.stop(why, out));
        let answered = stream.wire.close(1000, "", CLOSE_WITHIN).await;
        (StreamEnd::Stopped { answered }, Parting::Drop, left)
    }

    pub(super) async fn close_by_fault(&mut self, stream: &mut Stream, code: u16, reason: &str) -> Left {
        self.settle(stream);
        stream.wire.close(code, reason, CLOSE_WITHIN).await;
        (StreamEnd::Killed, Parting::Drop, Err(Leave::End(End::SocketKilled)))
    }

    pub(super) async fn kill(&mut self, stream: &mut Stream, how: How) -> Left {
        self.settle(stream);
        let killed = |why, parting| (why, parting, Err(Leave::End(End::SocketKilled)));
        match how {
            How::Reset => killed(StreamEnd::Killed, Parting::Reset),
            How::CloseWithoutStop => {
                stream.wire.close(1000, "", CLOSE_WITHIN).await;
                killed(StreamEnd::Killed, Parting::Drop)
            }
            How::StopWithoutClose => {
                stream.post(|dialect, out| dialect.stop(Stopping::CallOver, out));
                let gone = async {
                    loop {
                        match stream.wire.next().await {
                            Heard::Closed { code, reason } => {
                                return StreamEnd::ClosedByGateway { code, reason };
                            }
                            Heard::Lost { why, .. } => return StreamEnd::Lost { why },
                            Heard::Text(_) | Heard::Binary(_) | Heard::Struck(_) => {}
                        }
                    }
                };
                let end = tokio::select! {
                    end = timeout(STOPPED_SOCKET_STAYS, gone) => end.ok(),
                    () = self.life.over.cancelled() => None,
                };
                match end {
                    Some(why) => killed(why, Parting::Finish),
                    None => killed(StreamEnd::Killed, Parting::Drop),
                }
            }
        }
    }
}

pub(super) async fn next_of(wire: &mut Option<MediaWire>) -> Heard {
    match wire {
        Some(wire) => wire.next().await,
        None => std::future::pending().await,
    }
}
