//! The layer before all others: it turns a page's calls into gRPC and back, and answers what is neither.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{Either, Ready, ready};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tower::Service;

use super::body::Framed;
use super::media_type::Form;
use super::text::{Asked, Quads};
use super::{Config, Origins, cors};

/// What is served, for those who come with something else over HTTP/1.1.
const SERVED: &str = "this port speaks gRPC over HTTP/2, and gRPC-Web.\n";

/// The layer's service.
#[derive(Clone)]
pub(crate) struct Web<S> {
    inner: S,
    /// `None` where gRPC-Web is off.
    origins: Option<Arc<Origins>>,
}

impl<S> Web<S> {
    pub(crate) fn new(inner: S, config: &Config) -> Self {
        let origins = config.is_enabled().then(|| config.origins.clone());
        Self {
            inner,
            origins: origins.map(Arc::new),
        }
    }
}

/// What is to be done with a request.
enum Plan {
    /// Nothing: it is gRPC.
    Pass,
    /// Translated, for a page of this origin if a browser asks.
    Translate {
        asked: Form,
        answered: Form,
        origin: Option<HeaderValue>,
    },
    /// Answered here.
    Answer(StatusCode, HeaderMap, &'static str),
}

impl Plan {
    fn of<B>(request: &Request<B>, origins: &Origins) -> Self {
        let headers = request.headers();
        let form = Form::of_request(headers);
        let question = cors::is_question(request);
        if form.is_none() && !question {
            return match request.version() {
                Version::HTTP_2 => Self::Pass,
                _ => Self::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, SERVED),
            };
        }
        let origin = match cors::judge(origins, headers) {
            Ok(origin) => origin,
            Err(origin) => {
                tracing::debug!(?origin, "page refused: web.origins does not name it");
                let why = "pages of this origin may not call: web.origins does not name it\n";
                return Self::refusal(StatusCode::FORBIDDEN, why);
            }
        };
        match (form, origin) {
            (_, Some(origin)) if question => {
                let permission = cors::permission(origin, headers).into_iter();
                Self::Answer(StatusCode::NO_CONTENT, permission.collect(), "")
            }
            (Some(asked), origin) if request.method() == Method::POST => Self::Translate {
                asked,
                answered: Form::of_response(headers, asked),
                origin,
            },
            _ => Self::refusal(StatusCode::METHOD_NOT_ALLOWED, SERVED),
        }
    }

    fn refusal(status: StatusCode, why: &'static str) -> Self {
        let text = HeaderValue::from_static("text/plain");
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, text)]);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        }
        Self::Answer(status, headers, why)
    }
}

type Translated<B> = Pin<Box<dyn Future<Output = Result<Response<Answer<B>>, Infallible>> + Send>>;

/// The future of a call that passes through.
pub(crate) struct Passed<F>(F);

impl<F, B> Future for Passed<F>
where
    F: Future<Output = Result<Response<B>, Infallible>> + Unpin,
{
    type Output = Result<Response<Answer<B>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = Pin::new(&mut self.0).poll(cx);
        response.map_ok(|response| response.map(Answer::Passed))
    }
}

impl<S, A, B> Service<Request<A>> for Web<S>
where
    S: Service<Request<Asked<A>>, Response = Response<B>, Error = Infallible>,
    S::Future: Unpin + Send + 'static,
    B: Send + 'static,
{
    type Response = Response<Answer<B>>;
    type Error = Infallible;
    type Future = Either<
        Passed<S::Future>,
        Either<Translated<B>, Ready<Result<Response<Answer<B>>, Infallible>>>,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let plan = match &self.origins {
            Some(origins) => Plan::of(&request, origins),
            None => Plan::Pass,
        };
        match plan {
            Plan::Pass => Either::Left(Passed(self.inner.call(request.map(Asked::Plain)))),
            Plan::Translate {
                asked,
                answered,
                origin,
            } => {
                let response = self.inner.call(to_grpc(request, asked));
                let translated = async move { Ok(to_page(response.await?, answered, origin)) };
                Either::Right(Either::Left(Box::pin(translated)))
            }
            Plan::Answer(status, headers, text) => {
                let own = Answer::Own(Full::new(Bytes::from_static(text.as_bytes())));
                let mut response = Response::new(own);
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Either::Right(Either::Right(ready(Ok(response))))
            }
        }
    }
}

fn to_grpc<A>(request: Request<A>, form: Form) -> Request<Asked<A>> {
    let mut request = request.map(|body| match form {
        Form::Binary => Asked::Plain(body),
        Form::Text => Asked::Text(body, Quads::default()),
    });
    let headers = request.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    let grpc = HeaderValue::from_static("application/grpc");
    headers.insert(header::CONTENT_TYPE, grpc);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    request
}

fn to_page<B>(
    response: Response<B>,
    form: Form,
    origin: Option<HeaderValue>,
) -> Response<Answer<B>> {
    let (mut head, body) = response.into_parts();
    let framed = Framed::new(&mut head, body, form);
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers
        .insert(header::CONTENT_TYPE, form.content_type());
    // nginx would collect the frames of a stream.
    let at_once = HeaderValue::from_static("no");
    head.headers.insert("x-accel-buffering", at_once);
    if let Some(origin) = origin {
        cors::make_readable(&mut head.headers, origin);
    }
    Response::from_parts(head, Answer::Framed(framed))
}

/// The body of a response.
pub(crate) enum Answer<B> {
    /// That of a gRPC call.
    Passed(B),
    /// That of a page's call.
    Framed(Framed<B>),
    /// A word of this layer.
    Own(Full<Bytes>),
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut *self {
            Self::Passed(body) => Pin::new(body).poll_frame(cx),
            Self::Framed(body) => Pin::new(body).poll_frame(cx),
            Self::Own(text) => Pin::new(text)
                .poll_frame(cx)
                .map_err(|never: Infallible| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Passed(body) => body.is_end_stream(),
            Self::Framed(body) => body.is_end_stream(),
            Self::Own(text) => text.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passed(body) => body.size_hint(),
            Self::Framed(_) => SizeHint::default(),
            Self::Own(text) => text.size_hint(),
        }
    }
}
