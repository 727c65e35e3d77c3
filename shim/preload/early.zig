//! What every program touches that loads the library, whether it uses the mount or not, lies together, where loading it has written
//! already: each other page would cost it two page faults.

pub const section = ".data";
