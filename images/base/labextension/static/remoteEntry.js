/**
 * RadLab's notices in JupyterLab: the session's end, a full home, a missing module.
 *
 * A prebuilt extension written by hand, so that no image needs Node: JupyterLab's loader asks for
 * `window._JUPYTERLAB[name]` with `init` and `get`, and for a plugin in what `get` returns. It
 * takes nothing of JupyterLab's modules but the application that is handed to `activate`.
 * The end comes from `GET /radlab/session` (package radlab_session), read again every minute.
 */
(() => {
  'use strict';

  const MINUTE = 60 * 1000;
  const LAST_WARNING = 2 * MINUTE;
  const LAST_SAVE = 30 * 1000;

  const MESSAGES = {
    en: {
      ends: 'This session ends at {time}. Your files are kept.',
      ends_soon: 'This session ends in 2 minutes, at {time}. Open files are saved now; your files are kept.',
      home_full: 'Your home folder is full, so nothing new can be saved. Delete what you no longer need, then save again.',
      module_missing: 'The files of module {module} are not on this server. Tell your instructor.',
      module_read_only: 'The module could not be copied into your home folder, so it is opened read-only. Make room, then start again.',
      simulated: 'The GPU of this session is simulated: code runs on the processor.'
    },
    zh: {
      ends: '本次会话将于 {time} 结束。您的文件会保留。',
      ends_soon: '本次会话将在 2 分钟后（{time}）结束。打开的文件现在会自动保存，您的文件会保留。',
      home_full: '您的主目录已满，无法保存新内容。请删除不再需要的文件，然后重新保存。',
      module_missing: '此服务器上没有课程模块 {module} 的文件。请告诉您的教师。',
      module_read_only: '课程模块无法复制到您的主目录，因此以只读方式打开。请先清理空间，然后重新启动。',
      simulated: '本次会话的 GPU 是模拟的：代码在处理器上运行。'
    }
  };

  function say(code, values) {
    const language = document.documentElement.lang.toLowerCase().startsWith('zh') ? 'zh' : 'en';
    return MESSAGES[language][code].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
  }

  /** Notices of one page: each is shown once, and moments are told by timers set anew each minute. */
  class Notices {
    constructor(app) {
      this.app = app;
      this.shown = new Set();
      this.timers = [];
    }

    async read() {
      const settings = this.app.serviceManager.serverSettings;
      const headers = settings.token ? { Authorization: `token ${settings.token}` } : {};
      const url = new URL('radlab/session', new URL(settings.baseUrl, location.href));
      const answer = await fetch(url, { headers, credentials: 'same-origin', cache: 'no-store' });
      if (!answer.ok) {
        throw new Error(`${url.pathname} answered ${answer.status}`);
      }
      return answer.json();
    }

    async refresh() {
      try {
        this.apply(await this.read());
      } catch (error) {
        // The server is busy or ending; timers that are set already still fire.
        console.warn('RadLab session:', error);
      }
    }

    apply(session) {
      const found = new Set(session.notices);
      if (session.home_full) {
        found.add('home_full');
      } else {
        found.delete('home_full');
        this.shown.delete('home_full');
      }
      found.forEach(code => this.notify(code, code, 'warning', session));
      if (session.simulated) {
        this.notify('simulated', 'simulated', 'info', session);
      }
      this.timers.forEach(clearTimeout);
      this.timers = session.ends_at ? this.schedule(session) : [];
    }

    schedule(session) {
      const end = Date.parse(session.ends_at);
      const time = new Date(end).toLocaleTimeString(document.documentElement.lang || 'en', {
        hour: '2-digit', minute: '2-digit', hour12: false
      });
      const at = (before, act) => setTimeout(act, Math.max(0, end - before - Date.now()));
      const moments = [];
      // Moments beyond the next reading are left to it: a timer may not exceed 24 days.
      const near = before => end - before - Date.now() < 2 * MINUTE && Date.now() < end;
      if (near(session.warn_minutes * MINUTE) && end - Date.now() > LAST_WARNING) {
        const key = `ends ${end}`;
        moments.push(at(session.warn_minutes * MINUTE, () => this.notify(key, 'ends', 'warning', { time })));
      }
      if (near(LAST_WARNING)) {
        moments.push(at(LAST_WARNING, () => {
          this.notify(`ends_soon ${end}`, 'ends_soon', 'error', { time });
        }));
      }
      if (near(LAST_SAVE)) {
        moments.push(at(LAST_SAVE, () => this.save(`save ${end}`)));
      }
      return moments;
    }

    notify(key, code, type, values) {
      if (this.shown.has(key)) {
        return;
      }
      this.shown.add(key);
      const options = { autoClose: type === 'info' ? 10000 : false };
      this.app.commands.execute('apputils:notify', { message: say(code, values), type, options });
      if (code === 'ends_soon') {
        this.save(`${key} save`);
      }
    }

    save(key) {
      if (!this.shown.has(key) && this.app.commands.hasCommand('docmanager:save-all')) {
        this.shown.add(key);
        this.app.commands.execute('docmanager:save-all').catch(() => undefined);
      }
    }
  }

  const plugin = {
    id: '@radlab/session:notices',
    autoStart: true,
    activate: app => {
      const notices = new Notices(app);
      app.restored.then(() => {
        notices.refresh();
        setInterval(() => notices.refresh(), MINUTE);
      });
    }
  };

  const modules = { './extension': { __esModule: true, default: plugin } };
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB['@radlab/session'] = {
    init: () => Promise.resolve(),
    get: name => Promise.resolve(() => modules[name])
  };
})();
