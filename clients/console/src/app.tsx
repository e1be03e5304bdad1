// The frame around every page: who and where one is, how the gateway stands, and the page itself.

import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { GatewayState } from "jetgate/proto/gateway";
import { caller, credentials, isSignedIn, signOut } from "./caller";
import { ConsumerPage } from "./consumer/page";
import { info, link } from "./gateway";
import { LettersPage } from "./letters/page";
import { Overview } from "./overview/page";
import { place, start, to } from "./route";
import { SessionsPage } from "./sessions/page";
import { SignIn } from "./signin";
import { StreamPage } from "./stream/page";
import { Actions } from "./ui/action";
import { Loading } from "./ui/problem";

/** What a page is given: what it is about. */
interface Props {
  about: readonly string[];
}

const PAGES: Record<string, ComponentType<Props>> = {
  streams: Overview,
  consumers: Overview,
  stream: StreamPage,
  consumer: ConsumerPage,
  "dead-letters": LettersPage,
  sessions: SessionsPage,
};

const MENU: readonly [title: string, page: string, also: string][] = [
  ["Streams", "streams", "stream"],
  ["Consumers", "consumers", "consumer"],
  ["Sessions", "sessions", ""],
  ["Dead letters", "dead-letters", ""],
];

export function App() {
  const [page, ...about] = place.value;
  const Page = PAGES[page];
  useEffect(() => {
    document.title = `${[...about.slice(0, 2), page].join(" · ")} – jetgate`;
    document.getElementById("page")?.focus({ preventScroll: true });
  }, [place.value.join("/")]);
  return (
    <>
      <a class="skip" href="#page" onClick={skip}>
        Skip to the page
      </a>
      <header>
        <a class="brand" href={to("streams")}>
          jetgate
        </a>
        <nav aria-label="Pages">
          {MENU.map(([title, name, also]) => (
            <a key={name} href={to(name)} aria-current={page === name || page === also ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <Who />
      </header>
      <Standing />
      <main id="page" tabIndex={-1}>
        <Body key={caller.value} page={page} Page={Page} about={about} />
      </main>
      {credentials.value === "good" && <Actions key={caller.value} />}
    </>
  );
}

function Body({ page, Page, about }: { page: string; Page: ComponentType<Props> | undefined; about: string[] }) {
  if (credentials.value !== "good") return <SignIn />;
  if (!Page) return <p class="empty">There is no page “{page}”.</p>;
  if (link.value === "connecting") return <Loading />;
  // Another tab of the same stream is the same page.
  const [stream, consumer] = about;
  return <Page key={[page, stream, page === "consumer" && consumer].join("/")} about={about} />;
}

/** Who the caller is to the gateway. */
function Who() {
  const identity = info.value?.identity;
  return (
    <div class="who">
      {identity && <span title="Who the gateway takes you for">{identity}</span>}
      {isSignedIn() && (
        <button type="button" onClick={leave}>
          Sign out
        </button>
      )}
    </div>
  );
}

/** Whoever comes next begins at the start. */
function leave(): void {
  start();
  signOut();
}

/** What is wrong with the gateway as a whole; always there, so that a change of it is read out. */
function Standing() {
  return (
    <div class="standing" role="status">
      {standing()}
    </div>
  );
}

function standing(): string {
  if (link.value === "lost") return "The gateway does not answer. The page asks again and goes on when it is back.";
  if (info.value?.state === GatewayState.NATS_UNAVAILABLE) return "The gateway has lost its connection to NATS.";
  if (info.value?.state === GatewayState.DRAINING) return "The gateway is shutting down.";
  if (info.value?.state === GatewayState.STARTING) return "The gateway has not reached NATS yet.";
  return "";
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("page")?.focus();
}
