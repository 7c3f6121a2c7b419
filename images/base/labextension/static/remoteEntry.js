/**
 * RadLab's notices in JupyterLab: the session's end, memory, a full home, a missing module; and the
 * button that begins a module's page anew (its place in the toolbar: schemas/).
 *
 * A prebuilt extension written by hand, so that no image needs Node: JupyterLab's loader asks for
 * `window._JUPYTERLAB[name]` with `init` and `get`, and for a plugin in what `get` returns. It
 * takes nothing of JupyterLab's modules but the application that is handed to `activate`.
 * What is shown comes from `GET /radlab/session` (package radlab_session), read every 20 s.
 */
(() => {
  'use strict';

  // JupyterLab cuts a notice after 140 characters: of a longer name its beginning is shown.
  const MOST_OF_NAME = 26;
  const MINUTE = 60 * 1000;
  const READ_EVERY = 20 * 1000;
  const LAST_WARNING = 2 * MINUTE;
  const LAST_SAVE = 30 * 1000;
  const EXTEND = 'radlab:extend-session';
  const KEEP = 'radlab:keep-session';
  const RESET = 'radlab:reset-page';
  const RESET_NOW = 'radlab:reset-page-now';

  const MESSAGES = {
    en: {
      ends: 'This session ends at {time}. Your files are kept.',
      ends_soon: 'This session ends in 2 minutes, at {time}. Open files are saved and kept.',
      idle: 'Nothing has run in this session for a while, so it ends at {time}. Your files are kept.',
      recalled: 'The group that owns the GPU of this session needs it, so the session ends at {time}. Save your work; your files are kept.',
      hours_used: 'Your GPU hours of this week are used up, so this session ends at {time}. Your files are kept.',
      extend: 'Extend by {minutes} minutes',
      keep: 'Keep it running',
      extended: 'This session now ends at {time}.',
      not_extended: 'It cannot be extended: {why}',
      waited_for: 'others wait for what it holds.',
      early: 'it was told to end before its time.',
      longest: 'it has all the minutes that it may have.',
      hours: 'the GPU hours of this week are used up.',
      unanswered: 'RadLab does not answer just now. Try again in a minute.',
      oom_notebook: 'Memory was full ({limit} GB). The kernel of {notebooks} ({process}) was stopped. Variables are gone; files are kept.',
      oom_process: 'Memory was full: this session may use {limit} GB. One of its processes was stopped: {process}.',
      oom_unknown: 'name not known',
      disk: 'Your home folder holds {used} GB of the {limit} GB that it may hold. Delete what you no longer need.',
      disk_over: 'Your home folder holds {used} GB, more than the {limit} GB that it may hold. Delete what you no longer need.',
      home_full: 'Your home folder is full, so nothing new can be saved. Delete what you no longer need, then save again.',
      module_missing: 'The files of module {module} are not on this server. Tell your instructor.',
      module_read_only: 'The module could not be copied into your home folder, so it is opened read-only. Make room, then start again.',
      module_new_version: 'Module {module} has a new version, {module_version}, in a folder of its own. Your work is untouched; NEW_VERSION.md says more.',
      reset: 'Reset this page',
      reset_hint: 'Begin this page anew; what you have written is kept beside it',
      reset_ask: 'Begin {page} anew? What you have written is kept beside it as a backup.',
      reset_yes: 'Begin anew',
      reset_done: 'The page is as it was given out. Your own is kept as {backup}.',
      reset_no_page: 'This page is not in your home folder, so there is nothing to reset.',
      reset_not_published: 'This page came from no module of this server, so it cannot be reset.',
      reset_no_room: 'Your home folder has no room for a backup, so nothing was changed. Delete what you no longer need, then try again.',
      simulated: 'The GPU of this session is simulated: code runs on the processor.'
    },
    zh: {
      ends: '本次会话将于 {time} 结束。您的文件会保留。',
      ends_soon: '本次会话将在 2 分钟后（{time}）结束。打开的文件现在会自动保存，您的文件会保留。',
      idle: '本次会话已有一段时间没有运行任何内容，将于 {time} 结束。您的文件会保留。',
      recalled: '本次会话所用 GPU 的所属小组需要收回它，会话将于 {time} 结束。请保存您的工作；您的文件会保留。',
      hours_used: '您本周的 GPU 小时数已用完，本次会话将于 {time} 结束。您的文件会保留。',
      extend: '延长 {minutes} 分钟',
      keep: '继续运行',
      extended: '本次会话现在将于 {time} 结束。',
      not_extended: '无法延长：{why}',
      waited_for: '其他人正在等待它占用的资源。',
      early: '它已被通知提前结束。',
      longest: '它已达到一次会话允许的最长时间。',
      hours: '本周的 GPU 小时数已用完。',
      unanswered: 'RadLab 暂时没有响应。请一分钟后再试。',
      oom_notebook: '内存已满（上限 {limit} GB）。{notebooks} 的内核（{process}）已被停止，变量已丢失，文件会保留。',
      oom_process: '内存已满：本次会话最多使用 {limit} GB。其中一个进程已被停止：{process}。',
      oom_unknown: '名称未知',
      disk: '您的主目录已使用 {used} GB，上限为 {limit} GB。请删除不再需要的文件。',
      disk_over: '您的主目录已使用 {used} GB，超过了 {limit} GB 的上限。请删除不再需要的文件。',
      home_full: '您的主目录已满，无法保存新内容。请删除不再需要的文件，然后重新保存。',
      module_missing: '此服务器上没有课程模块 {module} 的文件。请告诉您的教师。',
      module_read_only: '课程模块无法复制到您的主目录，因此以只读方式打开。请先清理空间，然后重新启动。',
      module_new_version: '课程模块 {module} 有新版本 {module_version}，已放入单独的文件夹。您的工作没有改动；说明见 NEW_VERSION.md。',
      reset: '重置此页',
      reset_hint: '重新开始此页；您写的内容会保存在旁边',
      reset_ask: '要重新开始 {page} 吗？您写的内容会作为备份保存在旁边。',
      reset_yes: '重新开始',
      reset_done: '此页已恢复为发放时的样子。您自己的内容保存为 {backup}。',
      reset_no_page: '此页不在您的主目录中，因此没有可重置的内容。',
      reset_not_published: '此页不属于此服务器上的任何课程模块，因此无法重置。',
      reset_no_room: '您的主目录没有空间保存备份，因此没有做任何更改。请删除不再需要的文件，然后重试。',
      simulated: '本次会话的 GPU 是模拟的：代码在处理器上运行。'
    }
  };

  function say(code, values = {}) {
    const language = document.documentElement.lang.toLowerCase().startsWith('zh') ? 'zh' : 'en';
    const message = MESSAGES[language][code] ?? '';
    return message.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
  }

  function clock(moment) {
    return new Date(moment).toLocaleTimeString(document.documentElement.lang || 'en', {
      hour: '2-digit', minute: '2-digit', hour12: false
    });
  }

  const gigabytes = megabytes => Math.round(megabytes / 102.4) / 10;

  /** One notebook, and how many more there are. */
  function named([first = '', ...more]) {
    const name = first.length > MOST_OF_NAME ? `${first.slice(0, MOST_OF_NAME - 1)}…` : first;
    return more.length ? `${name} +${more.length}` : name;
  }

  /** The routes of radlab_session, asked as JupyterLab asks its own server. */
  class Server {
    constructor(settings) {
      this.settings = settings;
    }

    async ask(path, method, body) {
      const url = new URL(`radlab/${path}`, new URL(this.settings.baseUrl, location.href));
      const headers = this.settings.token ? { Authorization: `token ${this.settings.token}` } : {};
      const xsrf = document.cookie.match(/(?:^|;\s*)_xsrf=([^;]*)/);
      if (xsrf) {
        headers['X-XSRFToken'] = xsrf[1];
      }
      const answer = await fetch(url, {
        method, headers, body: body && JSON.stringify(body), credentials: 'same-origin', cache: 'no-store'
      });
      // A refusal is answered with its reason.
      if (!answer.ok && ![409, 503].includes(answer.status)) {
        throw new Error(`${url.pathname} answered ${answer.status}`);
      }
      return answer.json();
    }
  }

  /** Notices of one page: each is shown once, and moments are told by timers set anew each time. */
  class Notices {
    constructor(app) {
      this.app = app;
      this.server = new Server(app.serviceManager.serverSettings);
      this.shown = new Set();
      this.timers = [];
      this.end = { key: null, id: null };
      this.asked = 0;
    }

    async refresh() {
      const asked = this.asked;
      try {
        const session = await this.server.ask('session', 'GET');
        // What was asked for meanwhile is newer.
        if (asked === this.asked) {
          this.apply(session);
        }
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
      this.tellMemory(session.oom);
      this.tellDisk(session.disk);
      this.timers.forEach(clearTimeout);
      this.timers = session.ends_at ? this.schedule(session) : [];
    }

    tellMemory(oom) {
      if (!oom) {
        return;
      }
      const values = {
        limit: gigabytes(oom.limit_mb ?? 0),
        process: oom.process || say('oom_unknown'),
        notebooks: named(oom.notebooks)
      };
      this.notify(`oom ${oom.kills}`, oom.notebooks.length ? 'oom_notebook' : 'oom_process', 'error', values);
    }

    tellDisk(disk) {
      const code = disk && disk.warn ? (disk.used_mb > disk.limit_mb ? 'disk_over' : 'disk') : null;
      ['disk', 'disk_over'].filter(each => each !== code).forEach(each => this.shown.delete(each));
      if (code) {
        const values = { used: gigabytes(disk.used_mb), limit: gigabytes(disk.limit_mb) };
        this.notify(code, code, 'warning', values);
      }
    }

    schedule(session) {
      const end = Date.parse(session.ends_at);
      const at = (before, act) => setTimeout(act, Math.max(0, end - before - Date.now()));
      // Moments beyond the next readings are left to them: a timer may not exceed 24 days.
      const near = before => end - before - Date.now() < 2 * MINUTE && Date.now() < end;
      const moments = [];
      if (end - Date.now() > LAST_WARNING) {
        if (session.stop_why) {
          // It ends before its time: that is told at once.
          this.tellEnd(session.stop_why, 'warning', session);
        } else if (near(session.warn_minutes * MINUTE)) {
          moments.push(at(session.warn_minutes * MINUTE, () => this.tellEnd('ends', 'warning', session)));
        } else {
          this.forgetEnd();
        }
      }
      if (near(LAST_WARNING)) {
        moments.push(at(LAST_WARNING, () => {
          this.tellEnd('ends_soon', 'error', session);
          this.save(`save ${end} soon`);
        }));
      }
      if (near(LAST_SAVE)) {
        moments.push(at(LAST_SAVE, () => this.save(`save ${end}`)));
      }
      return moments;
    }

    /** One notice tells the end; a later word about it takes its place. */
    async tellEnd(code, type, session) {
      const extend = session.extend ?? {};
      const key = [code, session.ends_at, extend.minutes, extend.refused].join(' ');
      if (this.end.key === key) {
        return;
      }
      const said = [say(code, { time: clock(session.ends_at) })];
      const actions = [];
      if (session.stop_why === 'idle') {
        actions.push({ label: say('keep'), commandId: KEEP });
      } else if (extend.minutes > 0 && !extend.refused) {
        actions.push({ label: say('extend', { minutes: extend.minutes }), commandId: EXTEND });
      } else if (extend.refused && !session.stop_why) {
        said.push(say('not_extended', { why: say(extend.refused) }));
      }
      this.forgetEnd();
      this.end = { key, id: null };
      const id = await this.emit(said.join(' '), type, { autoClose: false, actions });
      if (this.end.key === key) {
        this.end.id = id;
      } else {
        this.dismiss(id);
      }
    }

    forgetEnd() {
      this.dismiss(this.end.id);
      this.end = { key: null, id: null };
    }

    dismiss(id) {
      if (id) {
        this.app.commands.execute('apputils:dismiss-notification', { id });
      }
    }

    async extend() {
      await this.ask('/extend', session => {
        const refused = session.refused;
        if (refused === undefined) {
          this.emit(say('extended', { time: clock(session.ends_at) }), 'success', { autoClose: 10000 });
        } else {
          const why = say(refused) || session.message;
          this.emit(say('not_extended', { why }), 'error', { autoClose: false });
        }
      });
    }

    async keep() {
      await this.ask('/keep', session => {
        if (session.stop_why === 'idle') {
          this.emit(say('unanswered'), 'error', { autoClose: 10000 });
          this.end.key = null;
        }
      });
    }

    async ask(path, tell) {
      this.asked += 1;
      try {
        const session = await this.server.ask(`session${path}`, 'POST');
        tell(session);
        this.apply(session);
      } catch (error) {
        console.warn('RadLab session:', error);
        this.emit(say('unanswered'), 'error', { autoClose: 10000 });
        this.end.key = null;
      }
    }

    /** The notebook in front, where it is a module's: they say so themselves. */
    page() {
      const context = this.app.shell.currentWidget?.context;
      return context?.model?.getMetadata?.('radlab') ? context : null;
    }

    async askReset() {
      const context = this.page();
      if (context) {
        const page = named([context.path.split('/').pop()]);
        const actions = [{ label: say('reset_yes'), commandId: RESET_NOW, args: { path: context.path } }];
        await this.emit(say('reset_ask', { page }), 'warning', { autoClose: 20000, actions });
      }
    }

    async reset(path) {
      const context = this.page();
      if (!context || context.path !== path) {
        return;
      }
      try {
        // What stands in the browser and is not saved yet belongs into the backup.
        await context.save();
        const answer = await this.server.ask('reset', 'POST', { path });
        if (answer.refused) {
          this.emit(say(`reset_${answer.refused}`), 'error', { autoClose: false });
          return;
        }
        await context.revert();
        this.emit(say('reset_done', { backup: answer.backup }), 'success', { autoClose: 20000 });
      } catch (error) {
        console.warn('RadLab reset:', error);
        this.emit(say('unanswered'), 'error', { autoClose: 10000 });
      }
    }

    notify(key, code, type, values) {
      if (!this.shown.has(key)) {
        this.shown.add(key);
        this.emit(say(code, values), type, { autoClose: type === 'info' ? 10000 : false });
      }
    }

    emit(message, type, options) {
      return this.app.commands.execute('apputils:notify', { message, type, options });
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
      app.commands.addCommand(EXTEND, { label: 'RadLab', execute: () => notices.extend() });
      app.commands.addCommand(KEEP, { label: 'RadLab', execute: () => notices.keep() });
      app.commands.addCommand(RESET, {
        label: () => say('reset'),
        caption: () => say('reset_hint'),
        isVisible: () => notices.page() !== null,
        execute: () => notices.askReset()
      });
      app.commands.addCommand(RESET_NOW, { label: 'RadLab', execute: args => notices.reset(args.path) });
      // Whose notebook it is shows once it is read; the button asks again then.
      const look = async () => {
        await app.shell.currentWidget?.context?.ready;
        app.commands.notifyCommandChanged(RESET);
      };
      app.shell.currentChanged?.connect(look);
      app.restored.then(() => {
        look();
        notices.refresh();
        setInterval(() => notices.refresh(), READ_EVERY);
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
