//! A call as a whole, told what happens and asked what it does.

mod barge_in;
mod bounds;
mod ending;
mod losing_the_agent;
mod scene;
mod talking;
mod tools;
