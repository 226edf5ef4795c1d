// The bearer token: asked for when the gateway wants one, kept for this tab only.

import { say } from '../element.js';

const KEY = 'trunkline.token';

export class Token {
  #dialog = document.getElementById('token-dialog');
  #field = document.getElementById('token');
  #words = document.getElementById('token-words');
  #asking = null;
  #declined = false;
  current = stored();

  /**
   * Asks the person for a token after one (or none) was refused. However many requests were refused at once, one
   * question is asked. Says whether it is worth trying again.
   */
  ask(refused) {
    if (this.current !== refused) return Promise.resolve(true);
    if (this.#declined) return Promise.resolve(false);
    this.#asking ??= this.#question(refused).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /** A new attempt on the person's own wish may ask again. */
  reconsider() {
    this.#declined = false;
  }

  #question(refused) {
    if (refused) say(this.#words, 'That token was not accepted. Please check it and try again.');
    this.#field.value = '';
    this.#dialog.showModal();
    return new Promise((resolve) => {
      const form = document.getElementById('token-form');
      const done = new AbortController();
      const close = (token) => {
        done.abort();
        this.#dialog.close();
        if (token) {
          this.current = token;
          store(token);
        } else {
          this.#declined = true;
        }
        resolve(Boolean(token));
      };
      const { signal } = done;
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        close(this.#field.value.trim());
      }, { signal });
      document.getElementById('token-cancel').addEventListener('click', () => close(null), { signal });
      this.#dialog.addEventListener('cancel', () => close(null), { signal });
    });
  }
}

// A browser may forbid storage altogether; then the token lives as long as the page.
function stored() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function store(token) {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Forbidden: see above.
  }
}
