// The shop's own backend: it has the key, and knows which session is whose.
import { randomUUID } from "node:crypto";

const { OTPOST_URL, OTPOST_KEY } = process.env;

const sessions = new Map(); // by the cookie of a visitor

async function otpost(path, body) {
  const answer = await fetch(`${OTPOST_URL}/v1/${path}`, {
    method: body ? "POST" : "GET",
    headers: { Authorization: `Bearer ${OTPOST_KEY}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`Otpost: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function session(request, visitor) {
  const known = request.method === "GET" && sessions.get(visitor); // a POST asks for a new one
  if (known && (await otpost(`sessions/${known.id}`)).status !== "expired") return known;
  const made = await otpost("sessions", { return_url: `http://${request.headers.host}/` });
  sessions.set(visitor, made);
  return made;
}

async function verified(request, visitor) {
  let proof = "";
  for await (const part of request) proof += part;
  const id = sessions.get(visitor)?.id; // only the session that this visitor was given
  const found = await otpost(`sessions/${id}/proof`, { proof });
  return { status: found.status, phone: found.phone ?? found.masked };
}

const api = (work) => async (request, response, next) => {
  try {
    const visitor = /\bvisitor=([\w-]{36})/.exec(request.headers.cookie)?.[1] ?? randomUUID();
    const answer = JSON.stringify(await work(request, visitor));
    response.setHeader("Set-Cookie", `visitor=${visitor}; HttpOnly; SameSite=Lax; Path=/`);
    response.setHeader("Content-Type", "application/json");
    response.end(answer);
  } catch (error) {
    next(error);
  }
};

export const shop = {
  name: "shop",
  configureServer({ middlewares }) {
    middlewares.use("/api/session", api(session));
    middlewares.use("/api/verified", api(verified));
  },
};
