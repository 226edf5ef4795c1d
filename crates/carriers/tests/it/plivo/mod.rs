mod answer;
mod call_control;
mod leg;
mod official_library;
mod signature;
mod webhook;
