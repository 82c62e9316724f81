//! What the contract says of each RPC, read from its descriptors.

use std::collections::HashMap;

use prost_types::FileDescriptorSet;
use prost_types::method_options::IdempotencyLevel;

use super::limits::Kind;

/// Health is asked by whoever balances load or restarts us.
const HEALTH: [(&str, Kind); 2] = [
    ("/grpc.health.v1.Health/Check", Kind::Unary),
    ("/grpc.health.v1.Health/Watch", Kind::Stream),
];
/// The contract is no secret, but who has no business here need not read it here.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Everyone.
    Open,
    /// Callers.
    Callers,
}

/// One RPC.
#[derive(Debug)]
pub(super) struct Method {
    /// As metrics and logs name it: `wecomgw.v1.MessageService/SendMessage`.
    pub(super) name: &'static str,
    pub(super) door: Door,
    pub(super) kind: Kind,
    /// Whether it changes anything. An RPC that does not say that it has no side
    /// effects is taken to have some.
    pub(super) mutates: bool,
}

/// All RPCs by path.
pub(super) struct Methods(HashMap<&'static str, &'static Method>);

impl Methods {
    pub(super) fn new(descriptors: &FileDescriptorSet) -> Self {
        let mut methods = HashMap::new();
        let mut add = |path: String, door, kind, mutates| {
            // They live as long as the process, and every call refers to one.
            let path: &'static str = Box::leak(path.into_boxed_str());
            let name = &path[1..];
            let method = Method {
                name,
                door,
                kind,
                mutates,
            };
            methods.insert(path, &*Box::leak(Box::new(method)));
        };
        for file in &descriptors.file {
            for service in &file.service {
                for method in &service.method {
                    let level = method.options.as_ref().map(|it| it.idempotency_level());
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let mutates = level != Some(IdempotencyLevel::NoSideEffects);
                    let kind = match method.client_streaming() || method.server_streaming() {
                        true => Kind::Stream,
                        false => Kind::Unary,
                    };
                    add(path, Door::Callers, kind, mutates);
                }
            }
        }
        for (path, kind) in HEALTH {
            add(path.to_owned(), Door::Open, kind, false);
        }
        for path in REFLECTION {
            add(path.to_owned(), Door::Callers, Kind::Stream, false);
        }
        Self(methods)
    }

    pub(super) fn find(&self, path: &str) -> Option<&'static Method> {
        self.0.get(path).copied()
    }
}
