import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

const ask = async (path, more) => (await fetch(path, more)).json();

function Shop() {
  const [session, setSession] = useState();
  const [found, setFound] = useState();

  useEffect(() => {
    ask("/api/session").then(setSession);
  }, []);

  const verified = ({ detail }) => ask("/api/verified", { method: "POST", body: detail.proof }).then(setFound);
  const failed = ({ detail }) => {
    if (["opened_elsewhere", "session_expired"].includes(detail.code)) ask("/api/session", { method: "POST" }).then(setSession);
  };

  return (
    <>
      <h1>Shop</h1>
      {session && <otpost-verify session={session.url} onotpost-verified={verified} onotpost-error={failed} />}
      {found && <p id="phone">{found.status}: {found.phone}</p>}
    </>
  );
}

createRoot(document.querySelector("main")).render(<Shop />);
