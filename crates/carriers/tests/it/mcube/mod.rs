mod call_control;
mod facts;
mod leg;
mod sounds;
mod webhook;
