//! The stubs, and the channel that the programs share.

pub mod connection;

/// What tonic-prost-build makes of the contract; see build.rs.
pub mod gosynq {
    #[allow(clippy::large_enum_variant)]
    pub mod v1 {
        tonic::include_proto!("gosynq.v1");
    }
}

mod google {
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}
