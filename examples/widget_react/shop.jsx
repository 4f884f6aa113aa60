import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

const ask = async (path) => (await fetch(path)).json();

function Shop() {
  const [session, setSession] = useState();
  const [found, setFound] = useState();

  useEffect(() => {
    ask("/api/session").then(setSession);
  }, []);

  return (
    <>
      <h1>Shop</h1>
      {session && <otpost-verify session={session.url} onotpost-verified={() => ask("/api/verified").then(setFound)} />}
      {found && <p id="phone">{found.status}: {found.phone}</p>}
    </>
  );
}

createRoot(document.querySelector("main")).render(<Shop />);
