// Asks the server: one place for the token, for problems, and for a server that is away.
export class Problem extends Error {
  constructor(status, content) {
    super(content.detail ?? content.title ?? `status ${status}`);
    this.status = status;
    this.kind = (content.type ?? "").split("#").pop();
  }
}

export class Away extends Error {}

export const token = {
  get: () => sessionStorage.getItem("token"),
  set: (value) => sessionStorage.setItem("token", value),
};

// Returns the answer's JSON; throws Problem for a refusal, Away where nobody answers or the server is too busy.
export async function ask(address, body, signal) {
  const headers = token.get() ? { Authorization: `Bearer ${token.get()}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(address, { method: body === undefined ? "GET" : "POST", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Away("The server does not answer");
  }
  if (response.status === 429 || response.status === 503) throw new Away("The server has too much to do");
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, content);
  return content;
}
