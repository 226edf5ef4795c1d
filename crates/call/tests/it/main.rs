//! A call as a whole, told what happens and asked what it does.

mod barge_in;
mod bounds;
mod ending;
mod letting_go;
mod losing_the_agent;
mod pieces;
mod scene;
mod talking;
mod tools;
mod voicemail;
