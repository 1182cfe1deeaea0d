// A browser starts no worker for a page that is opened as a file. There a frame stands in for it, which runs the
// worker's script and passes messages on: the search works without a server and without a network.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(script) {
      super();
      const frame = document.createElement("iframe");
      const source = new URL(script, location.href).href.replace(/"/g, "%22");
      frame.hidden = true;
      // Inside of the frame the script's own window is the worker: what it posts goes to the page.
      frame.srcdoc = '<script>self.postMessage = (message) => parent.postMessage(message, "*");</script>'
        + `<script src="${source}"></script>`;
      this.ready = new Promise((done) => { frame.onload = () => done(frame.contentWindow); });
      window.addEventListener("message", (event) => {
        if (event.source === frame.contentWindow)
          this.dispatchEvent(new MessageEvent("message", {data: event.data}));
      });
      document.body.append(frame);
    }

    postMessage(message) {
      this.ready.then((inside) => inside.dispatchEvent(new MessageEvent("message", {data: message})));
    }
  };
}
