//! Leads each call to the services of its caller's tenant.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use http_body::Body as HttpBody;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tower::Service;

use super::{SERVICES, keeping, room};
use crate::auth::Access;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::memory::Budget;
use crate::tenants::{Tenant, Tenants};

/// How long NATS may take to let a tenant in whose caller sets no deadline.
const PATIENCE: Duration = Duration::from_secs(10);

/// The end of the stack.
#[derive(Clone)]
pub(crate) struct Tenancy {
    /// Those of the gateway's own login, and what has nothing to do with NATS.
    own: Routes,
    budget: Budget,
    /// `None` where there are none.
    tenants: Option<Tenants>,
}

type Answer = Result<Response<Body>, Infallible>;
type Later = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Tenancy {
    /// These services for callers of no tenant, who take room from this budget.
    pub(crate) fn new(own: Routes, budget: Budget, tenants: Option<Tenants>) -> Self {
        Self {
            own,
            budget,
            tenants,
        }
    }

    /// Where a call goes; `None` is the gateway's own.
    fn way<B>(&self, request: &Request<B>) -> Result<Option<(Tenants, Arc<Tenant>)>> {
        let tenants = self.tenants.as_ref();
        let Some(tenants) = tenants.filter(|_| is_own_method(request.uri().path())) else {
            return Ok(None);
        };
        match request.extensions().get().and_then(Access::tenant) {
            Some(tenant) if tenant.has_login() => Ok(Some((tenants.clone(), tenant.clone()))),
            Some(_) => Ok(None),
            None => tenants.admit_to_the_gateways_own().map(|()| None),
        }
    }
}

/// Whether the method is of one of the gateway's own services, and not of health or reflection.
fn is_own_method(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    service.is_some_and(|(service, _)| SERVICES.contains(&service))
}

impl<B> Service<Request<B>> for Tenancy
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Ready<Answer>, Later>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.own, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.way(&request) {
            Ok(None) => {
                let answer = room::call(&self.budget, &mut self.own, request);
                Either::Right(Box::pin(answer))
            }
            Ok(Some((tenants, tenant))) => Either::Right(Box::pin(visit(tenants, tenant, request))),
            Err(error) => {
                let refusal = Status::from(error).into_http();
                Either::Left(ready(Ok(refusal)))
            }
        }
    }
}

async fn visit<B>(tenants: Tenants, tenant: Arc<Tenant>, request: Request<B>) -> Answer
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    let metadata = MetadataMap::from_headers(request.headers().clone());
    let visited = async {
        let deadline = Deadline::of_call(&metadata, PATIENCE)?;
        tenants.visit(&tenant, deadline).await
    };
    match visited.await {
        Ok(visit) => {
            let response = room::call(visit.budget(), &mut visit.routes(), request).await?;
            Ok(response.map(|body| keeping::until_written(body, visit)))
        }
        Err(error) => Ok(Status::from(error).into_http()),
    }
}
